"""Layers that see a video part by part: what they keep of earlier frames is data that is passed along.

    state ─► Stream ─► layers, each with a key of its own ─► Stream.state

A state is a flat mapping of contiguous tensors by key; the first dimension of each is the video, so that the states of
several videos are concatenated and split like batches. `FRAMES` counts the frames seen, int64 (N,). An empty state
stands for zeros, in float32 or wider; later tensors keep their type, whatever the precision of the layers.

How long means go back is no part of a state: it is given with each part (`Stream`), and may change.

N videos, T frames of a part, C channels, H, W. Values between layers are (N, C, T, H, W), in memory N, T, H, W, C: then
the views that the layers take cost nothing. Without a stream, a layer takes its input for whole videos.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

FRAMES = "frames"
WAVELENGTH = 10_000.0  # the longest, in radians of frames

State = dict[str, Tensor]


class Stream:
    """The passage of one part of N videos through a network: takes the `past` state, and leaves the next `state`.

    `memory_frames`, at least 1, is after how many frames means begin to forget (`CumulativeMean`); None for never.
    """

    def __init__(
        self,
        past: Mapping[str, Tensor],
        *,
        videos: int,
        frames: int,
        device: torch.device,
        memory_frames: int | None = None,
    ) -> None:
        self._past = past
        seen = self.past(FRAMES, (videos,), torch.zeros(videos, dtype=torch.int64, device=device))
        self.state: State = {FRAMES: seen + frames}
        self.times = seen[:, None] + torch.arange(frames, device=seen.device)  # (N, T), from 0 on
        # By frame and frame before it, how much of the latter the mean has taken, (N, T, T); None for equal shares.
        self.shares = None if memory_frames is None else _shares(self.times + 1, memory_frames)

    def past(self, key: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """What the layer `key` left; zeros of this shape at the start.

        Raises:
            ValueError: if it is of another shape, or missing from a state that has others.
        """
        if not self._past:
            return torch.zeros(shape, dtype=wide(like.dtype), device=like.device)
        past = self._past.get(key)
        if past is None:
            raise ValueError(f"the state lacks {key}: a state belongs to a network")
        if past.shape != shape:
            raise ValueError(
                f"the state's {key} is {tuple(past.shape)}, these frames need {shape}: a state belongs to a number of "
                "videos and a size of frames"
            )
        return past


class StreamLayer(nn.Module):
    """A layer with a state, or one that contains such layers: `forward(values, stream=None)`.

    key  of its part of the state; the network gives it out (`name_layers`)
    """

    key = ""


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type for sums over values of this type: float32 instead of a narrower one."""
    return torch.promote_types(dtype, torch.float32) if dtype.is_floating_point else dtype


def name_layers(network: nn.Module) -> None:
    """Give each layer of the network the key of its place there."""
    for name, module in network.named_modules():
        if isinstance(module, StreamLayer):
            module.key = name


class Chain(nn.Sequential, StreamLayer):
    """Layers one after the other, of which some have a state."""

    @override
    def forward(self, input: Tensor, stream: Stream | None = None) -> Tensor:
        for layer in self:
            is_passed = stream is not None and isinstance(layer, StreamLayer)
            input = layer(input, stream) if is_passed else layer(input)
        return input


class FrameBuffer(StreamLayer):
    """Puts the last `size` frames, zeros at the start, before those of the part."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, T, H, W, C) to (N, size + T, H, W, C)."""
        shape = (values.shape[0], self.size, *values.shape[2:])
        past = values.new_zeros(shape) if stream is None else stream.past(self.key, shape, values)
        joined = torch.cat([past.to(values.dtype), values], dim=1)
        if stream is not None:  # a copy, or the state would hold the whole part in memory
            stream.state[self.key] = joined[:, -self.size :].to(past.dtype, copy=True).contiguous()
        return joined


class CumulativeMean(StreamLayer):
    """The mean of all frames so far, at each frame.

    With a memory of M frames, the mean moves towards a frame by 1/M of their distance once there are more than M, in
    place of 1/t at the t-th: up to frame M nothing changes, then the share of a frame shrinks by 1 - 1/M with each that
    follows, which is by half in 0.7 M frames.

    The state is the mean itself and not a sum, whose precision would shrink as it grows: the mean moves towards a frame
    by the t-th part of their distance. Beside it stands what rounding has added to it, which the next step takes back
    (Kahan's compensation), so that the mean of a stream of any length is as precise as that of a few frames.
    """

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, T, C) to the same, in float32 or wider."""
        values = values.to(wide(values.dtype))
        if stream is None:
            counts = torch.arange(1, values.shape[1] + 1, device=values.device)[:, None]
            return values.cumsum(dim=1) / counts
        past = stream.past(self.key, (values.shape[0], 2, values.shape[2]), values)
        mean, excess = torch.split(past.to(values.dtype), 1, dim=1)  # (N, 1, C)
        distances = values - mean
        if stream.shares is None:
            steps = distances.cumsum(dim=1) / (stream.times + 1)[..., None] - excess
        else:  # no matrix product, which an export to 8 bits would round
            steps = torch.einsum("nts,nsc->ntc", stream.shares.to(values.dtype), distances) - excess
        means: Tensor = mean + steps
        moved, step = means[:, -1:] - mean, steps[:, -1:]
        stream.state[self.key] = torch.cat([means[:, -1:], moved - step], dim=1).to(past.dtype)
        return means


class FramePosition(StreamLayer):
    """Adds the number of the frame, as sines and cosines of falling frequencies (arXiv:1706.03762, section 3.5).

    Their share `scale` is learnt, from 0 on. All sines come before all cosines, as in tensorflow/models.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, T, C) to (N, T, C); C is even."""
        times = torch.arange(values.shape[1], device=values.device)[None] if stream is None else stream.times
        # In float64: after an hour, float32 angles are off by their last digits, which are all that sines depend on.
        powers = torch.arange(0, self.channels, 2, dtype=torch.float64, device=values.device) / self.channels
        angles = times[..., None] * WAVELENGTH**-powers
        return values + self.scale * torch.cat([angles.sin(), angles.cos()], dim=-1).to(values.dtype)


def _shares(counts: Tensor, memory_frames: int) -> Tensor:
    """The shares of `Stream.shares`, float64 (N, T, T), of the frames with these `counts` (N, T), the first being 1.

    Frame s has 1/t of the mean at frame t up to frame M, the memory; later it has (1 - 1/M)^(t - max(s, M)) / M.
    """
    beyond = counts.clamp(min=memory_frames)
    ages = (beyond[:, :, None] - beyond[:, None, :]).clamp(min=0)  # since a frame began to fade
    kept = torch.pow(1 - 1 / memory_frames, ages.double())
    return torch.tril(kept / counts.clamp(max=memory_frames)[:, :, None])

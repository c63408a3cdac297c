"""The base class of lip readers: convolutions over space and time, two bidirectional recurrent layers, and a head.

In: clips, float32 (N, T, H, W, C), as `classifiers.data.lip_frames` makes them, and the frames of each, int64 (N,).
Out: logits (N, T, K). N clips, T frames of any number, C channels, F features, K classes, one of them CTC's blank.

    clips ─ convolutions ─► (N, C', T, H', W') ─ flatten each frame ─ recurrences ─► features (N, T, F) ─ head ─► logits

A clip's logits are those that it has alone, however much padding its batch adds: frames after its end are set to zero
before every convolution, which pads with zeros itself, and recurrent layers never process them. Logits of padding are
the head's biases; CTC ignores them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from classifiers.lip_models.config import LipConfig
from classifiers.published_layout import Layout
from classifiers.registration import Registry


class LipModel(nn.Module):
    """A network from clips to the logits of each frame.

    config        the network's own configuration
    convolutions  three stages: each keeps T and pads it with zeros
    recurrences   bidirectional, batch first; their output is F wide
    lip_input     the form of its input
    layouts       of the public files with weights of the network (`classifiers.weights.published_clips`)
    """

    layouts: tuple[Layout, ...] = ()
    # Whether a frame is flattened as (H', W', C'), as in Keras, instead of (C', H', W').
    channels_last: ClassVar[bool] = False

    def __init__(
        self,
        *,
        config: LipConfig,
        convolutions: Sequence[nn.Module],
        recurrences: Sequence[nn.LSTM | nn.GRU],
        num_classes: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.lip_input = config.lip_input()
        self.convolutions = nn.ModuleList(convolutions)
        self.recurrences = nn.ModuleList(recurrences)
        self.dropout = nn.Dropout(config.dropout)
        self.feature_dim = 2 * recurrences[-1].hidden_size
        self.reset_head(num_classes)

    def forward_features(self, clips: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Clips to the input of the head, (N, T, F); `num_frames` None: no clip is padded.

        Raises:
            ValueError: for clips of another type or shape, and for lengths that they do not have.
        """
        lengths = self._checked(clips, num_frames)
        rows = self.forward_convolutions(clips, lengths)
        packed = pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
        for recurrence in self.recurrences:
            packed, _ = recurrence(packed)
            packed = packed._replace(data=self.dropout(packed.data))
        features, _ = pad_packed_sequence(packed, batch_first=True, total_length=clips.shape[1])
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Features (N, T, F) to logits (N, T, K)."""
        logits: Tensor = self.head(features)
        return logits

    def forward(self, clips: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Clips to logits (N, T, K); arguments and errors as in `forward_features`."""
        return self.forward_head(self.forward_features(clips, num_frames))

    def reset_head(self, num_classes: int) -> None:
        """Replace the head by a newly initialised one for `num_classes` classes, the blank included."""
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 2, a character and the blank")
        old = next(self.convolutions.parameters())
        head = nn.Linear(self.feature_dim, num_classes)
        nn.init.kaiming_normal_(head.weight, nonlinearity="relu")
        nn.init.zeros_(head.bias)
        self.head = head.to(device=old.device, dtype=old.dtype)
        self.num_classes = num_classes

    def base(self) -> None:
        """No other network's weights start this one in part."""

    def forward_convolutions(self, clips: Tensor, lengths: Tensor) -> Tensor:
        """Clips to flat frames, (N, T, H' W' C')."""
        frames = torch.arange(clips.shape[1], device=clips.device)
        outside = (frames >= lengths.to(clips.device)[:, None])[:, None, :, None, None]  # (N, 1, T, 1, 1)
        is_padded = bool((lengths < clips.shape[1]).any())
        values = clips.permute(0, 4, 1, 2, 3)  # (N, C, T, H, W)
        for stage in self.convolutions:
            values = stage(values.masked_fill(outside, 0) if is_padded else values)
        order = (0, 2, 3, 4, 1) if self.channels_last else (0, 2, 1, 3, 4)
        return values.permute(order).flatten(2)

    def _checked(self, clips: Tensor, num_frames: Tensor | None) -> Tensor:
        """The lengths, on the CPU, where torch packs sequences by them."""
        form = self.lip_input
        size = (form.height, form.width, form.channels)
        if clips.ndim != 5 or clips.shape[2:] != size or not clips.is_floating_point():
            dtype = str(clips.dtype).removeprefix("torch.")
            raise ValueError(
                f"{type(self).__name__} takes clips of shape (N, T, {', '.join(map(str, size))}), floating point, "
                f"got {tuple(clips.shape)}, {dtype}"
            )
        count, most = clips.shape[:2]
        lengths = torch.full((count,), most) if num_frames is None else num_frames.cpu()
        if lengths.shape != (count,) or bool(((lengths < 1) | (lengths > most)).any()):
            raise ValueError(f"{count} clips of up to {most} frames have the lengths {lengths.tolist()}")
        return lengths


@dataclass(frozen=True)
class LipModelEntry:
    """A named lip reader.

    model       the class; its constructor takes num_classes and config
    config      its configuration
    parameters  with `classes` classes, those of the published network
    """

    name: str
    model: type[LipModel]
    config: LipConfig
    parameters: int
    classes: int


LIP_MODELS: Registry[LipModelEntry] = Registry("lip model")
ModelT = TypeVar("ModelT", bound=type[LipModel])


def register_lip_model(name: str, config: LipConfig, *, parameters: int, classes: int) -> Callable[[ModelT], ModelT]:
    """A class decorator that registers the class as `name`."""
    return LIP_MODELS.register(lambda model: LipModelEntry(name, model, config, parameters, classes))

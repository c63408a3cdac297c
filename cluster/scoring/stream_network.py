"""Trained stream networks in their inference form: they watch a video and remember it.

In: frames, uint8 (T, H, W, C), and a state, at the start none. Out: joint logits, float32 (T, K), and the state after
these frames. T frames of any number, K classes.

In scoring, they run on one CPU core, in the process that decodes, never in a pool: their state would have to travel
with every few frames, and a step of a small network costs less than that. GPUs are left to others.

Size of the state of one video, which is what a segment costs beside its scores where it goes on to another worker, and
CPU milliseconds a frame on one thread of an AMD EPYC with AVX-512 BF16 that had nothing else to do
(`benchmarks/stream_networks.py`; random weights, each network's own size, `CHUNK_FRAMES` at a time):

|                   | pixels | state, MiB | fp32  | bf16 |
|-------------------|--------|------------|-------|------|
| movinet-a0-stream | 172    | 2.6        | 5.2   | 2.9  |
| movinet-a1-stream | 172    | 4.7        | 9.1   | 5.6  |
| movinet-a2-stream | 224    | 10.4       | 15.4  | 10.0 |
| movinet-a3-stream | 256    | 17.5       | 29.8  | 17.1 |
| movinet-a4-stream | 290    | 47.2       | 87.0  | 53.6 |
| movinet-a5-stream | 320    | 71.7       | 140.6 | 86.9 |

One frame at a time takes 1.1 (-a5) to 2.8 times (-a0) as long in fp32, up to five times in bf16. A state is float32,
whatever the precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.clip_base import ClipClassifier
from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.layers.stream import State
from extractors.networks.precision import PRECISIONS, configure_torch, require_finite
from extractors.video.grid import as_fps

CHUNK_FRAMES = 16  # that a network is given at once


class StreamNetwork:
    """Cheap to make and to pickle; `setup` builds the models, once per process."""

    def __init__(
        self,
        trained: TrainedClipClassifier,
        precision: str,
        *,
        memory_frames: int | None = None,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        """`precision` is one of `extractors.networks.precision.PRECISIONS` but int8, or auto.

        `memory_frames` as in `StreamModel`.
        """
        self.num_classes = trained.config.num_classes
        self._trained = trained
        self._precision, self._device_name, self._threads = precision, device, threads
        self._memory_frames = memory_frames
        self._model: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """The weights, not the models; the receiver calls `setup`."""
        return self.__dict__ | {"_model": None}

    def setup(self) -> None:
        """Build the models; a second call has no effect."""
        if self._model is None:
            self._device, precision = configure_torch(self._device_name, self._precision, self._threads)
            self._dtype = PRECISIONS[precision]
            self._model = self._trained.build()
            self._model.reduce(self._dtype)
            self._model.to(self._device)

    def watch(self, frames: NDArray[np.uint8], state: State) -> tuple[Tensor, State]:
        """The logits (T, K) of frames (T, H, W, C), on the CPU, and the state after them, on the network's device.

        The state may come from any device.

        Raises:
            FloatingPointError: if they are not finite.
            ValueError: if the state is of another network, or of another size of frames.
        """
        logits, state = self._stream(frames, state)
        require_finite(logits)
        return logits[0].cpu(), state

    def _stream(self, frames: NDArray[np.uint8], state: State) -> tuple[Tensor, State]:
        """The logits (1, T, K) and the state, on the network's device."""
        with torch.inference_mode():
            video = torch.from_numpy(frames)[None].to(self._device)  # (1, T, H, W, C)
            values = self._model.prepare(video).to(self._dtype, memory_format=torch.channels_last_3d)
            past = {key: value.to(self._device) for key, value in state.items()}
            logits, state = self._model.stream(values, past, memory_frames=self._memory_frames)
        return logits, state


def memory_frames(trained: ClipClassifier, seconds: float | None) -> int | None:
    """The frames of a memory of so many seconds (`--memory-seconds`), at the rate of a classifier; None for all.

    Raises:
        ValueError: if it has no such memory, or no frame falls into it.
    """
    if seconds is None:
        return None
    if not trained.is_stream:
        raise ValueError(
            f"--memory-seconds goes with stream networks, which remember what they have seen; {trained.name} looks at "
            "one clip after the other"
        )
    rate = trained.clips.format.fps
    if rate is None:
        raise ValueError(
            f"--memory-seconds is {seconds:g}, but {trained.name} knows no rate at which to watch a video, so that "
            "seconds are no number of frames. Train with --fps, or give another checkpoint"
        )
    frames = round(seconds * as_fps(rate))
    if frames < 1:
        raise ValueError(
            f"--memory-seconds is {seconds:g}, less than a frame of {trained.name}, which watches {rate} a second: "
            f"give at least {float(1 / as_fps(rate)):g}"
        )
    return frames


def to_state(arrays: Mapping[str, NDArray[Any]] | None) -> State:
    """The state as the network takes it; without arrays, that at the start."""
    return {key: torch.tensor(array) for key, array in (arrays or {}).items()}


def to_arrays(state: State) -> dict[str, NDArray[Any]]:
    """The state as it travels, from whatever device it is on."""
    return {key: value.cpu().numpy() for key, value in state.items()}

"""Trained clip classifiers in their inference form, on a GPU or on one CPU core.

In: clips, each uint8 (T, H, W, C), as they come. Out: features and logits, float32 (N, F + K), as
`classifiers.inference.clip_classifier` defines them.

Convolutions and matrix products run in the given precision, channels-last; the head in fp32. The result of a clip does
not depend on the clips beside it.

CPU seconds a clip on one thread of an AMD EPYC with AVX-512 BF16 (torch 2.13, random weights, each model's own format),
and the cosine of the features in bf16 to those in fp32; batches of two clips are no faster than single ones:

|             | fp32, eager | fp32  | bf16  | cosine   |
|-------------|-------------|-------|-------|----------|
| c3d         | 0.830       | 0.664 | 0.357 | 0.999979 |
| r3d-18      | 0.785       | 0.718 | 0.346 | 0.999996 |
| r2plus1d-18 | 1.287       | 0.870 | 0.407 | 0.999986 |
| s3d         | 0.910       | 0.441 | 0.228 | 0.999997 |
| movinet-a0  | 0.309       | 0.194 | 0.137 | 0.999983 |

Folding batch norm into the convolutions would bring 1 to 6 % more.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.clip_classifier import TrainedClipClassifier
from extractors.embedders import EmbedRows
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.precision import PRECISIONS, configure_torch

BATCH_CLIPS = {"cpu": 1, "cuda": 16}


class ClipNetwork:
    """Cheap to make and to pickle; `setup` builds the models, once per process."""

    variant = ""
    chunk_rows = 1  # of a clip's size

    def __init__(
        self, trained: TrainedClipClassifier, precision: str, *, threads: int = 1, batch_clips: int | None = None
    ) -> None:
        """`precision` is one of `extractors.networks.precision.PRECISIONS` but int8, or auto.

        `threads` is for CPUs; `batch_clips` run together, by default as many as are fastest.
        """
        self.dim = trained.dim  # F + K
        self._trained: TrainedClipClassifier | None = trained
        self._precision, self._threads, self._batch_clips = precision, threads, batch_clips
        self._runner: BatchRunner | None = None
        self._embed_elsewhere: EmbedRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The weights, not the models; the receiver calls `setup`."""
        return {name: value for name, value in self.__dict__.items() if name != "_model"} | {"_runner": None}

    def files(self) -> list[str]:
        """None: the weights are pickled with it."""
        return []

    def setup(self) -> None:
        """Build the models; a second call has no effect."""
        if self._embed_elsewhere is None:
            self._ready_runner()

    def embed_prepared(self, rows: Iterable[Tensor]) -> NDArray[np.float32]:
        """Clips, each uint8 (T, H, W, C), as they come, to features and logits (N, F + K)."""
        if self._embed_elsewhere is not None:
            return self._embed_elsewhere(rows)
        runner = self._ready_runner()
        device = runner.buffer.device
        with torch.inference_mode():
            values = (self._model.prepare(clip[None].to(device, non_blocking=True)) for clip in rows)
            results = list(runner.results(value.permute(0, 2, 3, 4, 1) for value in values))
        return torch.cat(results).cpu().numpy() if results else np.zeros((0, self.dim), np.float32)

    @staticmethod
    def pack(rows: list[Tensor]) -> list[NDArray[np.uint8]]:
        """Clips as NumPy arrays, to be sent to another process."""
        return [row.numpy() for row in rows]

    @staticmethod
    def unpack(chunk: list[NDArray[np.uint8]]) -> list[Tensor]:
        """The clips that `pack` has packed."""
        return [torch.from_numpy(row) for row in chunk]

    def proxy(self, embed: EmbedRows, variant: str) -> ClipNetwork:
        """The same network in another process, without the weights; needs no `setup`."""
        other = copy(self)
        other.variant, other._trained, other._embed_elsewhere = variant, None, embed
        return other

    def _ready_runner(self) -> BatchRunner:
        if self._runner is None:
            device, precision = configure_torch("auto", self._precision, self._threads)
            dtype = PRECISIONS[precision]
            assert self._trained is not None  # a proxy runs nothing
            self._model = self._trained.build()
            self._model.reduce(dtype)
            self._model.to(device)
            form = self._trained.clips.format
            clips = self._batch_clips or BATCH_CLIPS[device.type]
            shape = (clips, form.frames, form.height, form.width, form.channels)
            with torch.inference_mode():
                self._runner = BatchRunner(self._forward, shape=shape, dtype=dtype, device=device)
                self._runner.prepare()
        return self._runner

    def _forward(self, rows: Tensor) -> Tensor:
        # Rows are stored as T, H, W, C; seen as C, T, H, W they are what channels-last kernels want.
        results: Tensor = self._model(rows.permute(0, 4, 1, 2, 3))
        return results

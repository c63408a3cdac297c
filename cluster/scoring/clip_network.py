"""Trained clip classifiers in the form for running, on a GPU or on one core of a CPU.

In: clips, each uint8 (T, H, W, C), as they come. Out: float32 (N, F + K), as `classifiers.inference.clip_classifier`
has it.

Convolutions and matrix products run in the given precision, channels-last; the head in fp32. What a clip gives does not
depend on the clips beside it.

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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.clip_classifier import TrainedClipClassifier
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.precision import PRECISIONS, configure_torch

BATCH_CLIPS = {"cpu": 1, "cuda": 16}


class ClipNetwork:
    """Cheap to make and to pickle; `setup` builds the models, once per process."""

    variant = ""

    def __init__(self, trained: TrainedClipClassifier, precision: str) -> None:
        """`precision` is one of `extractors.networks.precision.PRECISIONS` but int8, or auto."""
        self.trained = trained
        self.precision = precision
        self._runner: BatchRunner | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What describes the models; the other side sets up for itself."""
        return {"trained": self.trained, "precision": self.precision, "_runner": None}

    @property
    def dim(self) -> int:
        """F + K."""
        return self.trained.dim

    def files(self) -> list[str]:
        """None: the weights travel with it."""
        return []

    def setup(self) -> None:
        """Build the models; a second call does nothing."""
        self._ready_runner()

    def embed_prepared(self, clips: Iterable[Tensor]) -> NDArray[np.float32]:
        """Clips, each uint8 (T, H, W, C), as they come, to what is said of them (N, F + K)."""
        runner = self._ready_runner()
        device = runner.buffer.device
        with torch.inference_mode():
            values = (self._model.prepare(clip[None].to(device, non_blocking=True)) for clip in clips)
            said = list(runner.results(value.permute(0, 2, 3, 4, 1) for value in values))
        return torch.cat(said).cpu().numpy() if said else np.zeros((0, self.dim), np.float32)

    def _ready_runner(self) -> BatchRunner:
        if self._runner is None:
            device, precision = configure_torch("auto", self.precision, threads=1)
            dtype = PRECISIONS[precision]
            self._model = self.trained.build()
            self._model.reduce(dtype)
            self._model.to(device)
            form = self.trained.clips.format
            shape = (BATCH_CLIPS[device.type], form.frames, form.height, form.width, form.channels)
            with torch.inference_mode():
                self._runner = BatchRunner(self._forward, shape=shape, dtype=dtype, device=device)
                self._runner.prepare()
        return self._runner

    def _forward(self, rows: Tensor) -> Tensor:
        # Rows are stored as T, H, W, C; seen as C, T, H, W they are what channels-last kernels want.
        said: Tensor = self._model(rows.permute(0, 4, 1, 2, 3))
        return said

"""Trained classifiers of clips at work on a live view: a look → the top classes.

In: T frames of a clip or, where all classifiers are stream networks, one frame, each uint8 (H, W, 3). Out: positions
and probabilities (k,) of the top classes. Stream networks keep their state from look to look.

On a GPU if there is one; convolutions and matrix products run in the given precision, the head in fp32. Of a single
frame, bf16 saves nothing on a CPU, so that `auto` is fp32 there for stream networks. CPU milliseconds a frame, one
thread of an AMD EPYC with AVX-512 BF16 (torch 2.13, random weights):

|                   | fp32 | bf16 |
|-------------------|------|------|
| movinet-a0-stream | 9.4  | 11.1 |
| movinet-a2-stream | 24.2 | 24.3 |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.inference.base import top_classes
from classifiers.inference.clip_classifier import ClipEnsemble, TrainedClipClassifier
from classifiers.layers.stream import State
from extractors.networks.precision import PRECISIONS, configure_torch, resolve_device


class LiveNetwork:
    """Networks of one input format, ready to run.

    is_stream  whether they look at every frame, and not at clips
    frames     of a look
    state      what stream networks remember; empty at the start of a video
    """

    def __init__(self, trained: TrainedClipClassifier, precision: str, threads: int) -> None:
        """`precision` is one of `extractors.networks.precision.PRECISIONS` but int8, or auto.

        Raises:
            ValueError: for a precision that this machine lacks.
        """
        self.is_stream = trained.is_stream
        if precision == "auto" and self.is_stream and resolve_device("auto").type == "cpu":
            precision = "fp32"
        self._device, self.precision = configure_torch("auto", precision, threads)
        self._dtype = PRECISIONS[self.precision]
        self._is_single_label, self._feature_dim = trained.is_single_label, trained.views.feature_dim
        self._ensemble: ClipEnsemble = trained.build()
        self._ensemble.reduce(self._dtype)
        self._ensemble.to(self._device)
        form = trained.clips.format
        self.frames = 1 if self.is_stream else form.frames
        self.restart()
        self([np.zeros((form.height, form.width, form.channels), np.uint8)] * self.frames, 1)  # chooses its kernels
        self.restart()

    def restart(self) -> None:
        """Forget all frames: what follows is another video."""
        self.state: State = {}

    def __call__(self, frames: Sequence[NDArray[np.uint8]], top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The top classes after these frames, as positions in `class_names`, and their probabilities, (k,) each.

        Raises:
            FloatingPointError: for scores that are not finite.
        """
        clip = torch.from_numpy(np.stack(frames))[None].to(self._device)  # (1, T, H, W, C)
        with torch.inference_mode():
            values = self._ensemble.prepare(clip).to(self._dtype, memory_format=torch.channels_last_3d)
            if self.is_stream:
                logits, self.state = self._ensemble.stream(values, self.state)
                logits = logits[:, -1]  # of the latest frame
            else:
                logits = self._ensemble(values)[:, self._feature_dim :]
        if not torch.isfinite(logits).all():
            raise FloatingPointError("the network returned numbers that are not finite: give another --precision")
        places, scores = top_classes(logits.cpu(), top_k, is_single_label=self._is_single_label)
        return places[0], scores[0]

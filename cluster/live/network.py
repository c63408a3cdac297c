"""Trained classifiers of clips at work on a live view: a look → the top classes.

In: T frames of a clip or, where all classifiers are stream networks, one frame, each uint8 (H, W, 3). Out: positions
and probabilities (k,) of the top classes. Stream networks keep their state from look to look.

torch runs on a GPU if there is one; convolutions and matrix products in the given precision, the head in fp32. Of a
single frame, bf16 saves next to nothing on a CPU, so that `auto` is fp32 there for stream networks. CPU milliseconds a
frame, one thread of an AMD EPYC with AVX-512 BF16 that had nothing else to do (`benchmarks/stream_networks.py`; random
weights); exported files take less, whose precision is their own:

|                   | fp32 | bf16 |
|-------------------|------|------|
| movinet-a0-stream | 14.8 | 14.9 |
| movinet-a1-stream | 24.2 | 26.2 |
| movinet-a2-stream | 32.6 | 33.6 |
| movinet-a3-stream | 49.6 | 44.5 |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.base import top_classes
from classifiers.inference.clip_base import ClipClassifier
from classifiers.layers.stream import State
from cluster.scoring.backends import BACKENDS
from extractors.networks.precision import require_finite


class LiveNetwork:
    """Networks of one input format, ready to run.

    is_stream  whether they look at every frame, and not at clips
    frames     of a look
    state      what stream networks remember; empty at the start of a video
    """

    def __init__(
        self, classifier: ClipClassifier, precision: str, threads: int, memory_frames: int | None = None
    ) -> None:
        """`precision` is one of `cluster.scoring.config.PRECISIONS`.

        `memory_frames` of stream networks, as in `classifiers.clip_models.streaming`.

        Raises:
            ValueError: for a precision that this machine lacks.
        """
        backend = BACKENDS[classifier.backend]
        self.is_stream = classifier.is_stream
        self.precision = backend.live_precision(classifier, precision)
        self._is_single_label, self._feature_dim = classifier.is_single_label, classifier.views.feature_dim
        if self.is_stream:
            self._stream = backend.stream_network(
                classifier, self.precision, threads=threads, is_live=True, memory_frames=memory_frames
            )
            self._stream.setup()
        else:
            self._clips = backend.clip_network(classifier, self.precision, threads=threads, is_live=True)
            self._clips.setup()
        form = classifier.clips.format
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
        logits = self._logits(np.stack(frames))
        require_finite(logits)
        places, scores = top_classes(logits, top_k, is_single_label=self._is_single_label)
        return places[0], scores[0]

    def _logits(self, clip: NDArray[np.uint8]) -> Tensor:
        """The logits (1, K) after a clip (T, H, W, C)."""
        if self.is_stream:
            logits, self.state = self._stream.watch(clip, self.state)
            return logits[-1:]
        outputs = self._clips.embed_prepared([torch.from_numpy(clip)])
        return torch.from_numpy(outputs[:, self._feature_dim :])

"""Exported classifiers in ONNX Runtime, in the place of `clip_network` and `stream_network`: always on CPU cores.

They run in the process that decodes, and pickle as the bytes of their files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.export.exported_classifier import ExportedClipClassifier, ExportedEnsemble
from classifiers.layers.stream import State

NOT_FINITE = "the exported network returned numbers that are not finite: export it again, or give its checkpoint"


class _OnnxNetwork:
    """Cheap to make; `setup` loads the files, once per process."""

    def __init__(self, classifier: ExportedClipClassifier, *, threads: int = 1) -> None:
        self._classifier, self._threads = classifier, threads
        self._model: ExportedEnsemble | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The files, not what they are loaded into; the receiver calls `setup`."""
        return self.__dict__ | {"_model": None}

    def setup(self) -> None:
        """Load the files; a second call has no effect."""
        self._ready()

    def _ready(self) -> ExportedEnsemble:
        if self._model is None:
            torch.set_num_threads(self._threads)  # for what is left to torch
            self._model = self._classifier.build(self._threads)
        return self._model


class OnnxClipNetwork(_OnnxNetwork):
    """Clips, each uint8 (T, H, W, C), as they come, to features and logits (N, F + K)."""

    def embed_prepared(self, rows: Iterable[Tensor]) -> NDArray[np.float32]:
        """The outputs of the clips. Raises `FloatingPointError` if they are not finite."""
        model = self._ready()
        results = [model(row.numpy()[None]) for row in rows]
        outputs = np.concatenate(results) if results else np.zeros((0, self._classifier.dim), np.float32)
        if not np.isfinite(outputs).all():
            raise FloatingPointError(NOT_FINITE)
        return outputs


class OnnxStreamNetwork(_OnnxNetwork):
    """Frames, uint8 (T, H, W, C), and a state, to logits (T, K) and the state after them."""

    def __init__(self, classifier: ExportedClipClassifier, *, threads: int = 1) -> None:
        super().__init__(classifier, threads=threads)
        self.num_classes = classifier.config.num_classes

    def watch(self, frames: NDArray[np.uint8], state: State) -> tuple[Tensor, State]:
        """The logits (T, K) of frames (T, H, W, C), and the state after them.

        Raises:
            FloatingPointError: if they are not finite.
            ValueError: if the state is of another network, or the frames are of another size.
        """
        logits, state = self._ready().stream(frames[None], state)
        if not logits.isfinite().all():
            raise FloatingPointError(NOT_FINITE)
        return logits[0], state

"""A lip reader on a GPU or on one CPU core, as a network that engines can run apart (`cluster.engines.stage.Network`).

In: crops of windows, each uint8 (T, H, W, 3) of at most `window_frames` frames. Out: log-probabilities, float32 (N, D):
those of each frame after one another, K at a time, and zeros for frames that a window lacks. One window at a time, in
fp32: its result does not depend on those beside it. D is `window_frames` x K.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.inference.lip_reader import LipReader, log_probabilities
from classifiers.lip_models.base import LipModel
from extractors.embedders import EmbedRows
from extractors.networks.precision import configure_torch


class LipNetwork:
    """Cheap to make and to pickle; `setup` builds the model, once per process."""

    variant = ""
    chunk_rows = 1  # of a window's size

    def __init__(self, reader: LipReader, window_frames: int, *, threads: int = 1) -> None:
        """`threads` is for CPUs."""
        self.num_classes = reader.config.num_classes  # K
        self.dim = window_frames * self.num_classes
        self._reader: LipReader | None = reader
        self._threads = threads
        self._model: LipModel | None = None
        self._embed_elsewhere: EmbedRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The weights, not the model; the receiver calls `setup`."""
        return {**self.__dict__, "_model": None}

    def files(self) -> list[str]:
        """None: the weights are pickled with it."""
        return []

    def setup(self) -> None:
        """Build the model; a second call has no effect."""
        if self._embed_elsewhere is None:
            self._built()

    def embed_prepared(self, rows: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Crops of windows, as they come, to log-probabilities (N, D)."""
        if self._embed_elsewhere is not None:
            return self._embed_elsewhere(rows)
        model, reader = self._built(), self._reader
        assert reader is not None
        results = []
        for crops in rows:
            (logs,) = log_probabilities(model, [crops], reader.look)  # T, K
            result = np.zeros(self.dim, np.float32)
            result[: logs.size] = logs.ravel()
            results.append(result)
        return np.stack(results) if results else np.zeros((0, self.dim), np.float32)

    @staticmethod
    def pack(rows: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Crops, to be sent to another process."""
        return rows

    @staticmethod
    def unpack(chunk: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """The crops that `pack` has packed."""
        return chunk

    def proxy(self, embed: EmbedRows, variant: str) -> LipNetwork:
        """The same network in another process, without the weights; needs no `setup`."""
        other = copy(self)
        other.variant, other._reader, other._embed_elsewhere = variant, None, embed
        return other

    def _built(self) -> LipModel:
        if self._model is None:
            device, _ = configure_torch("auto", "fp32", self._threads)
            assert self._reader is not None  # a proxy runs nothing
            self._model = self._reader.build().to(device)
        return self._model

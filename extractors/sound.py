"""The sound of a segment: windows to embeddings at its grid points.

In: the windows of a `Waveform`, those of a long pass on the way, so that its audio need not be held. Out: float32
(T, 128), the embeddings at T grid points.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extractors.embedders import AudioEmbedder
from extractors.video.waveform import Waveform


class SegmentSound:
    """Embeds the sound of one segment. `early_seconds` is the CPU time of embedding during the pass."""

    def __init__(self, embedder: AudioEmbedder) -> None:
        self.early_seconds = 0.0
        self._embedder = embedder
        self._early: list[tuple[int, NDArray[np.float32]]] = []  # (grid point, (n, 128) from there on)
        self._next_point = 0

    def receive(self, first: int, windows: NDArray[np.float32]) -> None:
        """Embed windows during the pass, as the `Receiver` of its waveform."""
        started = time.thread_time()
        if first != self._next_point:
            self._early.clear()
        self._early.append((first, self._embedder(windows)))
        self._next_point = first + len(windows)
        self.early_seconds += time.thread_time() - started

    def embeddings(self, waveform: Waveform, points: Sequence[int]) -> NDArray[np.float32]:
        """float32 (T, 128) at T grid points in order; to be called once, after the pass."""
        early_count = 0 if waveform.next_point is None else bisect_left(points, waveform.next_point)
        late = self._embedder.embed_stream(waveform.blocks(points[early_count:]))
        if not early_count:
            return late
        embeddings = np.empty((len(points), late.shape[1]), np.float32)
        embeddings[early_count:] = late
        while self._early:
            start, rows = self._early.pop()
            first, stop = (bisect_left(points, point) for point in (start, start + len(rows)))
            embeddings[first:stop] = rows[np.array(points[first:stop], np.intp) - start]
        return embeddings

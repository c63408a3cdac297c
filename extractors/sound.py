"""The sound of a segment: audio packets to embeddings at its grid points.

In: the audio packets of a pass over the video, through `waveform`. Out: float32 (T, 128), the embeddings at T grid
points. In a long pass they are computed on the way, so that its audio need not be held.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extractors.embedders import AudioEmbedder
from extractors.video.waveform import HELD_SECONDS, Waveform


class SegmentSound:
    """Embeds the sound of one segment. `early_seconds` is the CPU time of embedding during the pass."""

    def __init__(self, embedder: AudioEmbedder, held_seconds: int = HELD_SECONDS) -> None:
        self.waveform = Waveform(self._receive, held_seconds)
        self.early_seconds = 0.0
        self._embedder = embedder
        self._early: list[tuple[int, NDArray[np.float32]]] = []  # (grid point, (n, 128) from there on), without gaps

    def embeddings(self, points: Sequence[int]) -> NDArray[np.float32]:
        """float32 (T, 128) at T grid points in order; to be called after the pass."""
        next_point = self.waveform.next_point
        count = 0 if next_point is None else bisect_left(points, next_point)
        late = self._embedder.embed_stream(self.waveform.blocks(points[count:]))
        if not count:
            return late
        early = np.concatenate([rows for _, rows in self._early])
        return np.concatenate([early[np.array(points[:count]) - self._early[0][0]], late])

    def _receive(self, first: int, windows: NDArray[np.float32]) -> None:
        started = time.thread_time()
        while self._early and self._early[-1][0] >= first:
            self._early.pop()
        if self._early:
            start, rows = self._early[-1]
            self._early[-1] = start, rows[: first - start]
        self._early.append((first, self._embedder(windows)))
        self.early_seconds += time.thread_time() - started

"""The sound of a segment: windows to embeddings at its grid points.

In: the windows of a `Waveform`, those of a long pass on the way, so that its audio need not be held. Out, added to
`FeatureTotals`: the embeddings, (T, 128) float32, at T grid points. A run of silence is embedded once.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from extractors.embedders import AudioEmbedder
from extractors.feature_totals import FeatureTotals
from extractors.video.waveform import Waveform
from schemas.features import AUDIO_DIM

GROUP_BLOCKS = 8  # of windows, whose embeddings are held


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
        embeddings, counts = self._embed([windows])
        self._early.append((first, np.repeat(embeddings, counts, axis=0)))
        self._next_point = first + len(windows)
        self.early_seconds += time.thread_time() - started

    def add_to(self, totals: FeatureTotals, waveform: Waveform | None, points: Sequence[int]) -> None:
        """Add the embeddings at T grid points in order, zeros without a track; to be called after the pass."""
        if waveform is None:
            if points:
                totals.add(np.zeros((1, AUDIO_DIM), np.float32), np.array([len(points)]))
            return
        early_count = 0 if waveform.next_point is None else bisect_left(points, waveform.next_point)
        for start, rows in self._early if early_count else ():
            first, stop = (bisect_left(points, point) for point in (start, start + len(rows)))
            embeddings = rows[np.array(points[first:stop], np.intp) - start]
            totals.add(embeddings, np.ones(len(embeddings), np.int64))
        blocks = waveform.blocks(points[early_count:])
        while group := list(islice(blocks, GROUP_BLOCKS)):
            totals.add(*self._embed(group))

    def _embed(self, blocks: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Embeddings of blocks of windows (N, 15600), of a run of silent ones once, and the length of each run."""
        counts: list[NDArray[np.int64]] = []
        embeddings = self._embedder.embed_stream(_distinct(blocks, counts))
        return embeddings, np.concatenate(counts)


def _distinct(blocks: Iterable[NDArray[np.float32]], counts: list[NDArray[np.int64]]) -> Iterator[NDArray[np.float32]]:
    """Blocks with one window for each run of silent ones; `counts` collects the lengths of runs."""
    for windows in blocks:
        is_silent = np.logical_not(windows.any(axis=1))
        starts = np.flatnonzero(np.concatenate([[True], ~(is_silent[1:] & is_silent[:-1])]))
        counts.append(np.diff(starts, append=len(windows)))
        yield windows if len(starts) == len(windows) else windows[starts]

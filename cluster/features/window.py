"""Windows: rows of features that are in memory together, from which batches are taken.

In: blocks of files. Out: batches of rows in any order. Frame-level features stay 8-bit codes until they go into a
batch, which takes a quarter of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.data.batches import FeatureBatch
from cluster.features.blocks import FeatureBlock
from schemas.quantization import dequantize


@dataclass(frozen=True)
class FeatureWindow:
    """N videos.

    rows           (N,) int64, their row numbers among all files
    rgb, audio     (N, D) float32 means; or (F, D) uint8 codes or float32 of the F frames of all N videos
    frame_offsets  (N + 1,) int64 at frame level, None for means
    num_frames     (N,) int64
    ids            N ids, or none
    """

    rows: NDArray[np.int64]
    rgb: NDArray[Any]
    audio: NDArray[Any]
    num_frames: NDArray[np.int64]
    frame_offsets: NDArray[np.int64] | None
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size_bytes(self) -> int:
        """Memory of the features."""
        return int(self.rgb.nbytes + self.audio.nbytes)

    def part(self, start: int, stop: int) -> FeatureWindow:
        """Consecutive rows, as views."""
        frames = slice(start, stop)
        offsets = None
        if self.frame_offsets is not None:
            offsets = self.frame_offsets[start : stop + 1]
            frames = slice(int(offsets[0]), int(offsets[-1]))
            offsets = offsets - offsets[0]
        videos = slice(start, stop)
        return FeatureWindow(
            self.rows[videos],
            self.rgb[frames],
            self.audio[frames],
            self.num_frames[videos],
            offsets,
            self.ids[videos],
        )

    def take(self, order: NDArray[np.int64]) -> FeatureWindow:
        """A copy of some rows, in the given order."""
        frames, offsets = order, None
        if self.frame_offsets is not None:
            counts = np.diff(self.frame_offsets)[order]
            offsets = np.concatenate([[0], np.cumsum(counts)])
            frames = np.repeat(self.frame_offsets[order] - offsets[:-1], counts) + np.arange(offsets[-1])
        return FeatureWindow(
            self.rows[order],
            self.rgb[frames],
            self.audio[frames],
            self.num_frames[order],
            offsets,
            [self.ids[row] for row in order] if self.ids else (),
        )

    def batch(self, order: NDArray[np.int64], max_frames: int | None) -> FeatureBatch:
        """A copy of some rows as tensors, without targets."""
        counts = self.num_frames[order]
        if self.frame_offsets is None:
            rgb, audio = self.rgb[order], self.audio[order]
        else:
            counts = np.minimum(counts, counts.max() if max_frames is None else max_frames)
            rgb, audio = (padded(frames, self.frame_offsets[order], counts) for frames in (self.rgb, self.audio))
        return FeatureBatch(
            rgb=torch.from_numpy(rgb),
            audio=torch.from_numpy(audio),
            num_frames=torch.from_numpy(counts),
            ids=tuple([self.ids[row] for row in order]) if self.ids else (),
        )


def window_of(block: FeatureBlock, first_row: int) -> FeatureWindow:
    """A block of a file whose first row has the number `first_row`."""
    rows = np.arange(len(block), dtype=np.int64) + (first_row + block.start)
    return FeatureWindow(rows, block.rgb, block.audio, block.num_frames, block.frame_offsets, block.ids)


class FeatureBuffer:
    """Reused memory in which one window after another is assembled.

    Rows are copied in as they are read, which frees the reader's memory. The buffer is reused because allocating a new
    one costs more than decoding its content. It has room for `rows` rows of means before it grows.
    """

    def __init__(self, rows: int = 0) -> None:
        self._rgb, self._audio = _Stack(rows), _Stack(rows)
        self._parts: list[FeatureWindow] = []  # without their features
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def size_bytes(self) -> int:
        """Memory of the features in the buffer."""
        return self._rgb.values().nbytes + self._audio.values().nbytes if self._rows else 0

    def add(self, window: FeatureWindow) -> None:
        """Append a copy of rows."""
        self._rgb.push(window.rgb)
        self._audio.push(window.audio)
        self._parts.append(replace(window, rgb=_NOTHING, audio=_NOTHING))
        self._rows += len(window)

    def window(self) -> FeatureWindow:
        """All rows, as views that are valid until `clear`."""
        offsets = None
        if self._parts[0].frame_offsets is not None:
            counts = [np.diff(part.frame_offsets) for part in self._parts if part.frame_offsets is not None]
            offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        return FeatureWindow(
            np.concatenate([part.rows for part in self._parts]),
            self._rgb.values(),
            self._audio.values(),
            np.concatenate([part.num_frames for part in self._parts]),
            offsets,
            list(chain.from_iterable(part.ids for part in self._parts)),
        )

    def clear(self) -> None:
        """Drop the rows and keep the memory."""
        self._rgb.clear()
        self._audio.clear()
        self._parts, self._rows = [], 0


_NOTHING = np.zeros((0, 0), np.float32)


class _Stack:
    """Arrays of equal width, stacked in memory that grows."""

    def __init__(self, rows: int) -> None:
        self._memory: NDArray[Any] = _NOTHING
        self._expected = rows
        self._used = 0

    def push(self, array: NDArray[Any]) -> None:
        held = self.values()
        if self._used and held.dtype != array.dtype:  # one file has codes, another one MediaPipe's floats
            held, array = _decoded(held), _decoded(array)
        used = self._used + len(array)
        if used > len(self._memory) or self._memory.dtype != array.dtype:
            # Pages that are never written take no memory.
            grown = np.empty((max(2 * used, self._expected), array.shape[1]), array.dtype)
            if self._used:
                grown[: self._used] = held
            self._memory = grown
        self._memory[self._used : used] = array
        self._used = used

    def values(self) -> NDArray[Any]:
        return self._memory[: self._used]

    def clear(self) -> None:
        self._used = 0


def _decoded(frames: NDArray[Any]) -> NDArray[np.float32]:
    """(F, D) frames as features."""
    return dequantize(frames) if frames.dtype == np.uint8 else frames


def padded(frames: NDArray[Any], first: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """(F, D) frames to N runs of them (N, T, D), decoded: `counts` frames from `first` on, then zeros."""
    result = np.zeros((len(counts), int(counts.max(initial=0)), frames.shape[1]), np.float32)
    for run, start, count in zip(result, first.tolist(), counts.tolist(), strict=True):
        if frames.dtype == np.uint8:
            dequantize(frames[start : start + count], out=run[:count])
        else:
            run[:count] = frames[start : start + count]
    return result

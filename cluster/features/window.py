"""Rows of features that are held in memory together, and batches taken out of them.

In: blocks of files. Out: batches, whose rows may be in any order. At frame level features stay in codes of one byte
until they go into a batch, which is four times less memory.
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
    """n videos.

    rows           (n,) int64, their numbers among all rows of all files
    rgb, audio     (n, D) float32 means; or (F, D) codes or float32 of the F frames of all of them
    frame_offsets  (n + 1,) int64 at frame level, None for means
    num_frames     (n,) int64
    ids            n of them, or none
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
        """Memory that the features take."""
        return int(self.rgb.nbytes + self.audio.nbytes)

    def part(self, start: int, stop: int) -> FeatureWindow:
        """Neighbouring rows, as views."""
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
        """Some rows, copied, in the order given."""
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
        """Some rows as tensors of their own, without targets."""
        taken = self.take(order)
        rgb, audio, counts = taken.rgb, taken.audio, taken.num_frames
        if taken.frame_offsets is not None:
            counts = np.minimum(counts, counts.max() if max_frames is None else max_frames)
            rgb = _padded(rgb, taken.frame_offsets, counts)
            audio = _padded(audio, taken.frame_offsets, counts)
        return FeatureBatch(
            rgb=torch.from_numpy(rgb),
            audio=torch.from_numpy(audio),
            num_frames=torch.from_numpy(counts),
            ids=tuple(taken.ids),
        )


def window_of(block: FeatureBlock, first_row: int) -> FeatureWindow:
    """A block of a file whose rows are numbered from `first_row` on."""
    rows = np.arange(len(block), dtype=np.int64) + (first_row + block.start)
    return FeatureWindow(rows, block.rgb, block.audio, block.num_frames, block.frame_offsets, block.ids)


class FeatureBuffer:
    """Memory that windows are put together in, one after another.

    Rows are copied in as they are read, so that the reader's memory is free for the next ones, and the memory here is
    used again: to ask the system for as much anew costs more than to decode what goes into it. `rows` of means go in
    before it has to grow.
    """

    def __init__(self, rows: int = 0) -> None:
        self._rgb, self._audio = _Stack(rows), _Stack(rows)
        self._parts: list[FeatureWindow] = []  # less their features
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def size_bytes(self) -> int:
        """Memory that the features in it take."""
        return self._rgb.values().nbytes + self._audio.values().nbytes if self._rows else 0

    def add(self, window: FeatureWindow) -> None:
        """Copy rows behind those that are there."""
        self._rgb.push(window.rgb)
        self._audio.push(window.audio)
        self._parts.append(replace(window, rgb=_NOTHING, audio=_NOTHING))
        self._rows += len(window)

    def window(self) -> FeatureWindow:
        """All rows, as views that hold until `clear`."""
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
        """Forget the rows and keep the memory."""
        self._rgb.clear()
        self._audio.clear()
        self._parts, self._rows = [], 0


_NOTHING = np.zeros((0, 0), np.float32)


class _Stack:
    """Arrays of equal width, one behind the other in memory that grows."""

    def __init__(self, rows: int) -> None:
        self._memory: NDArray[Any] = _NOTHING
        self._expected = rows
        self._used = 0

    def push(self, array: NDArray[Any]) -> None:
        used = self._used + len(array)
        if used > len(self._memory):
            # What is never touched takes no memory.
            grown = np.empty((max(2 * used, self._expected), array.shape[1]), array.dtype)
            if self._used:
                grown[: self._used] = self.values()
            self._memory = grown
        self._memory[self._used : used] = array
        self._used = used

    def values(self) -> NDArray[Any]:
        return self._memory[: self._used]

    def clear(self) -> None:
        self._used = 0


def _padded(frames: NDArray[Any], offsets: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """(F, D) frames of n videos to (n, T, D), the first `counts` of each, decoded before zeros are put behind."""
    of_video = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(of_video)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.zeros((len(counts), int(counts.max(initial=0)), frames.shape[1]), np.float32)
    wanted = frames if len(frames) == len(of_video) else frames[np.repeat(offsets[:-1], counts) + within]
    padded[of_video, within] = dequantize(wanted) if wanted.dtype == np.uint8 else wanted
    return padded

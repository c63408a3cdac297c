"""Rows of features that are held in memory together, and batches taken out of them.

In: blocks of files. Out: batches, whose rows may be in any order. At frame level features stay in codes of one byte
until they go into a batch, which is four times less memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.batch import FeatureBatch
from cluster.feature_files import FeatureBlock
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


def concatenate(windows: Sequence[FeatureWindow]) -> FeatureWindow:
    """Windows as one; a single one is not copied."""
    if len(windows) == 1:
        return windows[0]
    offsets = None
    if windows[0].frame_offsets is not None:
        counts = np.concatenate(
            [np.diff(window.frame_offsets) for window in windows if window.frame_offsets is not None]
        )
        offsets = np.concatenate([[0], np.cumsum(counts)])
    return FeatureWindow(
        np.concatenate([window.rows for window in windows]),
        np.concatenate([window.rgb for window in windows]),
        np.concatenate([window.audio for window in windows]),
        np.concatenate([window.num_frames for window in windows]),
        offsets,
        list(chain.from_iterable(window.ids for window in windows)),
    )


def _padded(frames: NDArray[Any], offsets: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """(F, D) frames of n videos to (n, T, D), the first `counts` of each, decoded before zeros are put behind."""
    of_video = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(of_video)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.zeros((len(counts), int(counts.max(initial=0)), frames.shape[1]), np.float32)
    wanted = frames if len(frames) == len(of_video) else frames[np.repeat(offsets[:-1], counts) + within]
    padded[of_video, within] = dequantize(wanted) if wanted.dtype == np.uint8 else wanted
    return padded

"""Streams the features of many videos in batches: from Parquet or `.tfrecord`, disk or bucket, in bounded memory.

In: `FeatureFiles`, a mask of their rows, and targets. Out: `FeatureBatch`es: float32 means (N, D), or frames (N, T, D)
decoded from their codes, padded with zeros to T, the longest video of the batch.

In order: the rows in the order of the files, for scoring and validation.
Shuffled: the files in an order drawn anew each epoch; several are open at a time, and their blocks go in turn into a
window of `window_bytes`, which is shuffled as a whole. Same seed, epoch and number of workers: same batches.

Workers (`rank` of `world`) share the rows: each takes one stretch of the epoch's order. Shuffled, all have the same
number of rows and therefore of steps: up to world - 1 rows, different ones each epoch, are left out. In order, every
row comes exactly once, and one worker may have one row more than another.

A thread reads a window ahead; memory is about four windows (one in use, one waiting, one being filled, and headroom),
whatever the number of videos. There is no Python loop over videos at video level unless ids are requested. At frame
level, another thread decodes the next two batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.data.batches import FeatureBatch
from classifiers.data.class_choice import Targets
from cluster.features.blocks import read_blocks
from cluster.features.files import LEVELS, VIDEO, FeatureFile, FeatureFileError, FeatureFiles
from cluster.features.read_ahead import read_ahead
from cluster.features.window import FeatureBuffer, FeatureWindow, window_of

WINDOW_BYTES = 64 << 20
IN_ORDER_BYTES = 8 << 20
FILES_OPEN = 4
BATCHES_AHEAD = 1  # waiting, beside one that is being decoded
BUFFERS = 3  # one in use, one waiting, one being filled
FILE_ORDER, GROUPS, ROWS = range(3)  # streams of random numbers


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """How features are streamed.

    level         `video` for means, `frame` for every frame's features
    batch_size    videos in a batch; the last may have fewer
    max_frames    at frame level, the first frames of a video that are used; None for all
    shuffle       draw an order by `seed` and epoch, instead of the order of the files
    with_ids      include the videos' ids
    window_bytes  features that are shuffled together; memory is at most about four times as much
    """

    level: str = "video"
    batch_size: int = 256
    max_frames: int | None = None
    shuffle: bool = False
    seed: int = 0
    with_ids: bool = False
    window_bytes: int = WINDOW_BYTES

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        problems = []
        if self.level not in LEVELS:
            problems.append(f"level must be one of {', '.join(LEVELS)}, not {self.level!r}")
        for name in ("batch_size", "max_frames", "window_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"{name} must be at least 1, not {value}")
        if self.seed < 0:
            problems.append(f"seed must be at least 0, not {self.seed}")
        if problems:
            raise ValueError("\n".join(problems))


@dataclass(frozen=True)
class _Piece:
    """Rows of one file that a worker reads: ascending row numbers within the file; None for all rows."""

    file: FeatureFile
    first_row: int  # of the file, among all rows
    rows: NDArray[np.int64] | None


class FeatureSource:
    """Batches of selected rows of `features`, for one worker.

    rows     bool mask over all rows of `features`; None for all
    targets  of all rows of `features`; None for batches without targets
    """

    def __init__(
        self,
        features: FeatureFiles,
        config: SourceConfig,
        *,
        rows: NDArray[np.bool_] | None = None,
        targets: Targets | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if config.level not in features.levels:
            raise FeatureFileError(
                f"{features.files[0].uri} has no frame-level features: extract with --frame-features, "
                "or choose a model that takes means"
            )
        if not 0 <= rank < world:
            raise ValueError(f"rank must be from 0 to {world - 1} for {world} workers, not {rank}")
        for name, given in (("rows", rows), ("targets", None if targets is None else targets.kept)):
            if given is not None and len(given) != features.rows:
                raise ValueError(f"{name} are for {len(given)} videos, but the files hold {features.rows}")
        self._features, self._config, self._rows, self._targets = features, config, rows, targets
        self._rank, self._world = rank, world
        self._selected = np.array(
            [
                file.rows if rows is None else np.count_nonzero(rows[first : first + file.rows])
                for file, first in zip(features.files, features.first_rows, strict=True)
            ]
        )
        if self._selected.sum() < world:
            raise FeatureFileError(
                f"{self._selected.sum()} of {features.rows} videos are selected, at least {world} needed: one a worker"
            )

    @property
    def rows(self) -> int:
        """Number of this worker's videos in an epoch."""
        first, last = self._share()
        return last - first

    @property
    def steps(self) -> int:
        """Number of this worker's batches in an epoch; shuffled, the same for all workers."""
        return -(-self.rows // self._config.batch_size)

    def batches(self, epoch: int = 0) -> Iterator[FeatureBatch]:
        """One pass over the rows; if shuffled, `epoch` determines the order."""
        if self._config.level == VIDEO:
            yield from self._batches(epoch)
        else:
            yield from read_ahead(partial(self._batches, epoch), BATCHES_AHEAD)

    def _batches(self, epoch: int) -> Iterator[FeatureBatch]:
        rng = np.random.default_rng((self._config.seed, epoch, ROWS, self._rank))
        spare: SimpleQueue[FeatureBuffer] = SimpleQueue()
        for _ in range(BUFFERS):
            spare.put(FeatureBuffer())
        for buffer in read_ahead(partial(self._windows, epoch, spare), BUFFERS - 2):
            try:
                yield from self._batches_of(buffer.window(), rng)
            finally:  # also when the reader stops: the thread may be waiting for a buffer
                buffer.clear()
                spare.put(buffer)

    def parts(self, epoch: int = 0) -> Iterator[FeatureWindow]:
        """The same rows as they are read, in small windows; shuffled, from several files in turn."""
        rng = np.random.default_rng((self._config.seed, epoch, GROUPS, self._rank))
        waiting = deque(self._pieces(epoch))
        opened: deque[Iterator[FeatureWindow]] = deque()
        most = FILES_OPEN if self._config.shuffle else 1
        while waiting or opened:
            while waiting and len(opened) < most:
                opened.append(self._read(waiting.popleft(), rng))
            stream = opened.popleft()
            part = next(stream, None)
            if part is not None:
                yield part
                opened.append(stream)

    def _batches_of(self, window: FeatureWindow, rng: np.random.Generator) -> Iterator[FeatureBatch]:
        order = rng.permutation(len(window)) if self._config.shuffle else np.arange(len(window))
        return batches_of(window, order, self._targets, self._config)

    def _share(self) -> tuple[int, int]:
        total = int(self._selected.sum())
        if self._config.shuffle:
            each = total // self._world
            return each * self._rank, each * (self._rank + 1)
        return total * self._rank // self._world, total * (self._rank + 1) // self._world

    def _pieces(self, epoch: int) -> list[_Piece]:
        """The rows that this worker reads, in the epoch's order."""
        files = np.arange(len(self._selected))
        if self._config.shuffle:
            files = np.random.default_rng((self._config.seed, epoch, FILE_ORDER)).permutation(files)
        first, last = self._share()
        pieces = []
        before = 0
        for number in files:
            count = int(self._selected[number])
            low, high = max(first - before, 0), min(last - before, count)
            before += count
            if low < high:
                file, first_row = self._features.files[number], self._features.first_rows[number]
                if self._rows is not None:
                    rows = np.flatnonzero(self._rows[first_row : first_row + file.rows])[low:high]
                    pieces.append(_Piece(file, first_row, rows))
                else:
                    is_whole = high - low == file.rows
                    pieces.append(_Piece(file, first_row, None if is_whole else np.arange(low, high)))
        return pieces

    def _windows(self, epoch: int, spare: SimpleQueue[FeatureBuffer]) -> Iterator[FeatureBuffer]:
        """This worker's rows, in windows of whole batches; only the last window may end with a partial one."""
        size = self._config.batch_size
        limit = self._config.window_bytes if self._config.shuffle else min(self._config.window_bytes, IN_ORDER_BYTES)
        buffer = spare.get()
        for part in self.parts(epoch):
            rest = (len(buffer) + len(part)) % size
            if len(buffer) + len(part) < size or buffer.size_bytes + part.size_bytes < limit or rest > len(part):
                buffer.add(part)
                continue
            buffer.add(part.part(0, len(part) - rest))
            yield buffer
            buffer = spare.get()
            if rest:
                buffer.add(part.part(len(part) - rest, len(part)))
        if len(buffer):
            yield buffer

    def _read(self, piece: _Piece, rng: np.random.Generator) -> Iterator[FeatureWindow]:
        groups = np.arange(len(piece.file.row_groups))
        if piece.rows is not None:
            ends = np.cumsum(piece.file.row_groups)
            groups = np.unique(np.searchsorted(ends, piece.rows, "right"))
        if self._config.shuffle:
            groups = rng.permutation(groups)
        for block in read_blocks(piece.file, self._config.level, groups.tolist(), with_ids=self._config.with_ids):
            window = window_of(block, piece.first_row)
            if piece.rows is not None:
                low, high = np.searchsorted(piece.rows, (block.start, block.start + len(block)))
                if low == high:
                    continue
                if high - low < len(block):
                    window = window.take(piece.rows[low:high] - block.start)
            yield window


def batches_of(
    window: FeatureWindow, order: NDArray[np.int64], targets: Targets | None, config: SourceConfig
) -> Iterator[FeatureBatch]:
    """The rows of a window in batches, in the given `order`; `targets` are those of all rows of the files."""
    for start in range(0, len(order), config.batch_size):
        places = order[start : start + config.batch_size]
        batch = window.batch(places, config.max_frames)
        yield batch if targets is None else replace(batch, targets=torch.from_numpy(targets.of(window.rows[places])))

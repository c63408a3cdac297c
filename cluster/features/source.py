"""Features of many videos as a stream of batches: from Parquet or `.tfrecord`, disk or bucket, in bounded memory.

In: `FeatureFiles`, which of their rows are wanted, and their targets. Out: `FeatureBatch`es: float32 means (N, D), or
frames (N, T, D) decoded from their codes, zeros beyond a video's end, T the longest of the batch.

In order: the rows as they lie in the files, which is what scoring and validation want.
Shuffled: files in an order drawn anew each epoch, several of them open at a time, their blocks dealt out in turn to a
window of `window_bytes`, which is shuffled as a whole. Same seed, epoch and number of workers: same batches.

Workers (`rank` of `world`) share the rows out among them: each takes a stretch of the epoch's order. Shuffled, all have
the same number of rows, so the same number of steps: up to world - 1 rows, others in each epoch, are left out. In
order, every row is given exactly once, and one worker may have a row more than another.

A thread reads a window ahead; memory is about four windows (one in use, one waiting, one being filled, and
room to spare), whatever the number of videos. There is no loop over videos; a row costs Python nothing at video level
unless ids are asked for.
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
from cluster.features.files import LEVELS, FeatureFile, FeatureFileError, FeatureFiles
from cluster.features.read_ahead import read_ahead
from cluster.features.window import FeatureBuffer, FeatureWindow, window_of

WINDOW_BYTES = 64 << 20
IN_ORDER_BYTES = 8 << 20
FILES_OPEN = 4
BUFFERS = 3  # one in use, one waiting, one being filled
FILE_ORDER, GROUPS, ROWS = range(3)  # what a random stream is for


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """How features are streamed.

    level         `video` for means, `frame` for every frame's features
    batch_size    videos in a batch; the last may have fewer
    max_frames    at frame level, how many of a video's first frames are given; None for all
    shuffle       an order drawn by `seed` and epoch, instead of that of the files
    with_ids      give the videos' ids too
    window_bytes  what is shuffled together; memory is about four times as much, at most
    """

    level: str = "video"
    batch_size: int = 256
    max_frames: int | None = None
    shuffle: bool = False
    seed: int = 0
    with_ids: bool = False
    window_bytes: int = WINDOW_BYTES

    def __post_init__(self) -> None:
        """Refuse what makes no stream."""
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
    """Rows of one file that a worker reads: numbers within the file, rising; None for all of them."""

    file: FeatureFile
    first_row: int  # of the file, among all rows
    rows: NDArray[np.int64] | None


class FeatureSource:
    """Batches of the wanted rows of `features`, for one worker.

    rows     (rows of `features`,) bool, those wanted; None for all
    targets  of all rows of `features`; None where there are none to give
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
                f"{features.files[0].uri} has no features of single frames: extract with --frame-features, "
                "or choose a model that takes means"
            )
        if not 0 <= rank < world:
            raise ValueError(f"rank must be from 0 to {world - 1} for {world} workers, not {rank}")
        for name, given in (("rows", rows), ("targets", None if targets is None else targets.kept)):
            if given is not None and len(given) != features.rows:
                raise ValueError(f"{name} are for {len(given)} videos, but the files hold {features.rows}")
        self._features, self._config, self._rows, self._targets = features, config, rows, targets
        self._rank, self._world = rank, world
        self._wanted = np.array(
            [
                file.rows if rows is None else np.count_nonzero(rows[first : first + file.rows])
                for file, first in zip(features.files, features.first_rows, strict=True)
            ]
        )
        if self._wanted.sum() < world:
            raise FeatureFileError(f"{self._wanted.sum()} of {features.rows} videos are wanted, too few to share out")

    @property
    def rows(self) -> int:
        """How many videos this worker gives in an epoch."""
        first, last = self._share()
        return last - first

    @property
    def steps(self) -> int:
        """How many batches this worker gives in an epoch; shuffled, as many as every other."""
        return -(-self.rows // self._config.batch_size)

    def batches(self, epoch: int = 0) -> Iterator[FeatureBatch]:
        """One pass over the rows. `epoch` decides the order where it is shuffled."""
        rng = np.random.default_rng((self._config.seed, epoch, ROWS, self._rank))
        spare: SimpleQueue[FeatureBuffer] = SimpleQueue()
        for _ in range(BUFFERS):
            spare.put(FeatureBuffer())
        for buffer in read_ahead(partial(self._windows, epoch, spare), BUFFERS - 2):
            try:
                yield from self._deal(buffer.window(), rng)
            finally:  # also where nobody wants more: the thread may be waiting for it
                buffer.clear()
                spare.put(buffer)

    def parts(self, epoch: int = 0) -> Iterator[FeatureWindow]:
        """The same rows as they are read: small windows; shuffled, by turns from several files."""
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

    def _deal(self, window: FeatureWindow, rng: np.random.Generator) -> Iterator[FeatureBatch]:
        order = rng.permutation(len(window)) if self._config.shuffle else np.arange(len(window))
        return deal(window, order, self._targets, self._config)

    def _share(self) -> tuple[int, int]:
        total = int(self._wanted.sum())
        if self._config.shuffle:
            each = total // self._world
            return each * self._rank, each * (self._rank + 1)
        return total * self._rank // self._world, total * (self._rank + 1) // self._world

    def _pieces(self, epoch: int) -> list[_Piece]:
        """What this worker reads, in the order of the epoch."""
        files = np.arange(len(self._wanted))
        if self._config.shuffle:
            files = np.random.default_rng((self._config.seed, epoch, FILE_ORDER)).permutation(files)
        first, last = self._share()
        pieces = []
        before = 0
        for number in files:
            count = int(self._wanted[number])
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
        """All that this worker gives: a whole number of batches at a time, but for the last."""
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


def deal(
    window: FeatureWindow, order: NDArray[np.int64], targets: Targets | None, config: SourceConfig
) -> Iterator[FeatureBatch]:
    """Rows of a window in batches, in the `order` given; `targets` are those of all rows of the files."""
    for start in range(0, len(order), config.batch_size):
        places = order[start : start + config.batch_size]
        batch = window.batch(places, config.max_frames)
        yield batch if targets is None else replace(batch, targets=torch.from_numpy(targets.of(window.rows[places])))

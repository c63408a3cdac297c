"""Clips of videos as a stream of batches, decoded ahead by processes of their own.

In: videos, which of them are wanted (rows), and their targets. Out: `ClipBatch`es, uint8 (N, T, H, W, 3).

In order: as the videos stand in the manifest. Shuffled: in an order drawn anew each epoch. What a clip shows is drawn
from the seed, the epoch and the video, whoever decodes it. Same seed, epoch and number of workers: same batches.

Workers share the rows out among them: each takes a stretch of the epoch's order. Shuffled, all have the same number of
rows, so the same number of steps: up to world - 1 rows, others in each epoch, are left out. In order, every row is
given exactly once, and one worker may have a row more than another.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.data.batches import BatchOrder, ClipBatch, Worker
from classifiers.data.class_choice import Targets
from classifiers.training.loop import epoch_seed
from cluster.clips.decoder import ClipTask
from cluster.features.read_ahead import read_ahead
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipFormat
from schemas.outcomes import VideoError
from schemas.videos import Video

BATCHES_AHEAD = 1  # that wait to be taken, while another is being filled


class LostClipError(Exception):
    """A video that could be decoded before, and now cannot."""


class Decoders(Protocol):
    """What gives clips: `ClipDecoderPool`, or `CachedClips`."""

    def decode(self, tasks: Iterable[ClipTask]) -> Generator[NDArray[np.uint8] | VideoError, None, None]:
        """The outcome of each task, in their order."""


@dataclass(frozen=True, kw_only=True)
class ClipReading:
    """How clips are decoded: `sampling` for each epoch, `steady` the same without anything random in it."""

    format: ClipFormat
    sampling: ClipSampling
    steady: ClipSampling
    memory_bytes: int
    time_seconds: float

    def task(self, video: Video, seed: int, *, is_steady: bool) -> ClipTask:
        """What a decoder is asked for."""
        is_same = is_steady or self.sampling == self.steady
        return ClipTask(
            video=video,
            format=self.format,
            sampling=self.steady if is_same else self.sampling,
            seed=seed,
            memory_bytes=self.memory_bytes,
            time_seconds=self.time_seconds,
            fallback=None if is_same else self.steady,
        )


class ClipSource:
    """Batches of the wanted `rows`, a mask over `videos`, for one worker; clips are random where they are shuffled."""

    def __init__(
        self,
        videos: Sequence[Video],
        rows: NDArray[np.bool_],
        targets: Targets,
        *,
        reading: ClipReading,
        order: BatchOrder,
        worker: Worker,
        decoders: Decoders,
    ) -> None:
        self._videos, self._targets, self._reading = videos, targets, reading
        self._order, self._worker, self._decoders = order, worker, decoders
        self._wanted = np.flatnonzero(rows)
        if len(self._wanted) < worker.world:
            raise ValueError(f"{len(self._wanted)} videos are too few to share out among {worker.world} workers")

    @property
    def steps(self) -> int:
        """How many batches this worker gives in an epoch; shuffled, as many as every other."""
        first, last = self._share()
        return -(-(last - first) // self._order.batch_size)

    @property
    def rows(self) -> NDArray[np.intp]:
        """Those wanted, of all workers, rising."""
        return self._wanted

    def row_batches(self, epoch: int) -> Iterator[NDArray[np.intp]]:
        """The rows of each batch of an epoch."""
        rows, (first, last) = self._wanted, self._share()
        if self._order.shuffle:
            rows = np.random.default_rng((self._order.seed, epoch)).permutation(rows)
        for start in range(first, last, self._order.batch_size):
            yield rows[start : min(start + self._order.batch_size, last)]

    def batches(self, epoch: int = 0) -> Iterator[ClipBatch]:
        """One pass over the rows. `epoch` decides the order where it is shuffled."""
        return read_ahead(partial(self._batches, epoch), BATCHES_AHEAD)

    def targets(self, rows: NDArray[np.intp]) -> Tensor:
        """What a loss compares with."""
        return torch.from_numpy(self._targets.of(rows))

    def ids(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        """Of the videos, where they are wanted."""
        return tuple(self._videos[row].id for row in rows) if self._order.with_ids else ()

    def _share(self) -> tuple[int, int]:
        total, rank, world = len(self._wanted), self._worker.rank, self._worker.world
        if self._order.shuffle:
            return total // world * rank, total // world * (rank + 1)
        return total * rank // world, total * (rank + 1) // world

    def _batches(self, epoch: int) -> Iterator[ClipBatch]:
        tasks = (self._task(row, epoch) for rows in self.row_batches(epoch) for row in rows)
        with closing(self._decoders.decode(tasks)) as clips:
            for rows in self.row_batches(epoch):
                stacked = np.stack([self._checked(next(clips), row) for row in rows])
                yield ClipBatch(torch.from_numpy(stacked), self.targets(rows), self.ids(rows))

    def _task(self, row: int, epoch: int) -> ClipTask:
        seed = epoch_seed(self._order.seed, epoch, row)
        return self._reading.task(self._videos[row], seed, is_steady=not self._order.shuffle)

    def _checked(self, outcome: NDArray[np.uint8] | VideoError, row: int) -> NDArray[np.uint8]:
        if isinstance(outcome, VideoError):
            raise LostClipError(
                f"video {self._videos[row].id!r} could be decoded before, and now cannot ({outcome.code}): "
                f"{outcome.message}\nThe same command goes on after the last epoch, once it can be again"
            ) from outcome
        return outcome

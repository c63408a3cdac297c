"""Streams clips of videos in batches, decoded ahead by other processes.

In: videos, a mask of those to use (rows), and their targets. Out: `ClipBatch`es, uint8 (N, T, H, W, C).

In order: the order of the manifest. Shuffled: an order drawn anew each epoch. The random part of a clip depends on the
seed, the epoch and the video, not on the process that decodes it. Same seed, epoch and number of workers: same batches.

Workers share the rows: each takes one stretch of the epoch's order. Shuffled, all have the same number of rows and
therefore of steps: up to world - 1 rows, different ones each epoch, are left out. In order, every row comes exactly
once, and one worker may have one row more than another.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.data.batches import BatchOrder, ClipBatch, Worker
from classifiers.data.class_choice import Targets
from classifiers.training.loop import epoch_seed
from cluster.clips.cache import clip_form
from cluster.clips.decoder import ClipTask
from cluster.clips.decoder_pool import CLIPS, Task
from cluster.features.read_ahead import read_ahead
from cluster.storage.read_policy import STRICT, ReadPolicy
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipFormat
from schemas.outcomes import VideoError
from schemas.videos import Video

BATCHES_AHEAD = 1  # prefetched, while another one is being filled


class LostClipError(Exception):
    """A video that was decodable before and no longer is."""


class Decoders(Protocol):
    """A source of clips: `ClipDecoderPool` or `CachedClips`."""

    def decode(self, tasks: Iterable[Task]) -> Generator[NDArray[np.uint8] | VideoError, None, None]:
        """The outcome of each task, in order."""


class Reading(Protocol):
    """How the clips of videos are decoded: `ClipReading` or `MouthReading`."""

    @property
    def decoder(self) -> str:
        """What the processes of a pool run."""

    @property
    def form(self) -> Mapping[str, Any]:
        """Everything that determines the pixels of cached clips."""

    @property
    def fps(self) -> str | None:
        """Frames a second; None: all frames of the video."""

    @property
    def needs_check(self) -> bool:
        """Whether a video can have a `problem`."""

    def task(self, video: Video, seed: int, *, is_deterministic: bool) -> Task:
        """The decoder's task for a clip of `video`."""

    def problem(self, video: Video, clip: NDArray[np.uint8]) -> VideoError | None:
        """Why a decoded clip cannot be trained on; None if it can."""


@dataclass(frozen=True, kw_only=True)
class ClipReading:
    """How clips are decoded: `sampling` for training epochs, its `deterministic` form for evaluation."""

    format: ClipFormat
    sampling: ClipSampling
    deterministic: ClipSampling
    memory_bytes: int
    time_seconds: float
    policy: ReadPolicy = STRICT

    decoder: ClassVar[str] = CLIPS
    needs_check: ClassVar[bool] = False

    @property
    def form(self) -> Mapping[str, Any]:
        """The format and the deterministic sampling."""
        return clip_form(self.format, self.deterministic)

    @property
    def fps(self) -> str | None:
        """Frames a second."""
        return self.format.fps

    def problem(self, video: Video, clip: NDArray[np.uint8]) -> VideoError | None:
        """None: every clip has the format."""
        return None

    def task(self, video: Video, seed: int, *, is_deterministic: bool) -> ClipTask:
        """The decoder's task for a clip of `video`."""
        is_same = is_deterministic or self.sampling == self.deterministic
        return ClipTask(
            video=video,
            format=self.format,
            sampling=self.deterministic if is_same else self.sampling,
            seed=seed,
            memory_bytes=self.memory_bytes,
            time_seconds=self.time_seconds,
            fallback=None if is_same else self.deterministic,
            policy=self.policy,
        )


class ClipSource:
    """Batches of `rows`, a mask over `videos`, for one worker; shuffled clips are random, others deterministic."""

    def __init__(
        self,
        videos: Sequence[Video],
        rows: NDArray[np.bool_],
        targets: Targets | None,
        *,
        reading: Reading,
        order: BatchOrder,
        worker: Worker,
        decoders: Decoders,
    ) -> None:
        self._videos, self._targets, self._reading = videos, targets, reading
        self._order, self._worker, self._decoders = order, worker, decoders
        self._rows = np.flatnonzero(rows)
        if len(self._rows) < worker.world:
            raise ValueError(f"{len(self._rows)} videos are fewer than the {worker.world} workers")

    @property
    def steps(self) -> int:
        """Number of this worker's batches in an epoch; shuffled, the same for all workers."""
        first, last = self._share()
        return -(-(last - first) // self._order.batch_size)

    @property
    def rows(self) -> NDArray[np.intp]:
        """The rows of all workers, ascending."""
        return self._rows

    def row_batches(self, epoch: int) -> Iterator[NDArray[np.intp]]:
        """The rows of each batch of an epoch."""
        rows, (first, last) = self._rows, self._share()
        if self._order.shuffle:
            rows = np.random.default_rng((self._order.seed, epoch)).permutation(rows)
        for start in range(first, last, self._order.batch_size):
            yield rows[start : min(start + self._order.batch_size, last)]

    def batches(self, epoch: int = 0) -> Iterator[Any]:
        """One pass over the rows; if shuffled, `epoch` determines the order."""
        return read_ahead(partial(self._batches, epoch), BATCHES_AHEAD)

    def targets(self, rows: NDArray[np.intp]) -> Tensor:
        """Targets of rows, for the loss."""
        assert self._targets is not None
        return torch.from_numpy(self._targets.of(rows))

    def ids(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        """Ids of rows, if the order includes them."""
        return tuple(self._videos[row].id for row in rows) if self._order.with_ids else ()

    def _share(self) -> tuple[int, int]:
        total, rank, world = len(self._rows), self._worker.rank, self._worker.world
        if self._order.shuffle:
            return total // world * rank, total // world * (rank + 1)
        return total * rank // world, total * (rank + 1) // world

    def batch(self, clips: Sequence[NDArray[np.uint8]], rows: NDArray[np.intp], epoch: int) -> Any:
        """The batch of the decoded clips of rows."""
        return ClipBatch(torch.from_numpy(np.stack(clips)), self.targets(rows), self.ids(rows))

    def _batches(self, epoch: int) -> Iterator[Any]:
        tasks = (self._task(row, epoch) for rows in self.row_batches(epoch) for row in rows)
        with closing(self._decoders.decode(tasks)) as clips:
            for rows in self.row_batches(epoch):
                yield self.batch([self._checked(next(clips), row) for row in rows], rows, epoch)

    def _task(self, row: int, epoch: int) -> Task:
        seed = epoch_seed(self._order.seed, epoch, row)
        return self._reading.task(self._videos[row], seed, is_deterministic=not self._order.shuffle)

    def _checked(self, outcome: NDArray[np.uint8] | VideoError, row: int) -> NDArray[np.uint8]:
        if isinstance(outcome, VideoError):
            raise LostClipError(
                f"video {self._videos[row].id!r} was decodable before and no longer is ({outcome.code}): "
                f"{outcome.message}\nRestore it; the same command then resumes after the last epoch"
            ) from outcome
        return outcome

"""A worker's access to clips: decoded from the videos, or from a cache that is filled first."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import LabelLists
from cluster.clips.cache import CachedClips, ClipCache, clip_row
from cluster.clips.decoder_pool import ClipDecoderPool
from cluster.storage.redaction import redacted, redacted_uri
from cluster.training.clip_source import ClipSource, Reading
from cluster.training.progress import UNWATCHED, Meter
from cluster.training.splits import Split
from schemas.outcomes import VideoError
from schemas.trainings import LostVideo
from schemas.videos import Video


class ClipFeed:
    """Clips of `videos`, decoded by `decoders` processes; by way of the `cache` at a URI, if there is one.

    used  mask over the videos: those in any split
    """

    def __init__(
        self,
        videos: Sequence[Video],
        labels: LabelLists,
        used: NDArray[np.bool_],
        *,
        reading: Reading,
        worker: Worker,
        decoders: int,
        cache: str | None,
    ) -> None:
        self.videos, self.labels, self._used = videos, labels, used
        self.reading, self.worker = reading, worker
        self._decoders = ClipDecoderPool(decoders, reading.decoder)
        self._cache_uri = cache
        self._cache: ClipCache | None = None

    def source(self, split: Split, order: BatchOrder) -> ClipSource:
        """The worker's share of a split."""
        return ClipSource(
            self.videos,
            split.rows,
            split.targets,
            reading=self.reading,
            order=order,
            worker=self.worker,
            decoders=self.clips,
        )

    @property
    def clips(self) -> ClipDecoderPool | CachedClips:
        """Where clips come from."""
        return self._decoders if self._cache_uri is None else CachedClips(self._opened_cache(self._cache_uri))

    def find_lost(self, meter: Meter = UNWATCHED) -> Sequence[LostVideo]:
        """The videos that cannot be decoded: each is tried once, with the deterministic sampling.

        Clips that the cache misses are added to it.
        """
        share = np.flatnonzero(self._used)[self.worker.rank :: self.worker.world]
        videos = [self.videos[row] for row in share]
        lost: list[LostVideo] = []
        if self._cache_uri is None:
            for _ in self._decoded(videos, lost, meter):
                pass
            return lost
        cache = self._opened_cache(self._cache_uri)
        missing = cache.missing(videos)
        labels = {self.videos[row].id: self.labels_of(row) for row in share}
        rows = (
            clip_row(video, labels[video.id], clip[None], self.reading.fps)
            for video, clip in self._decoded(missing, lost, meter)
        )
        cache.write(rows, writer=f"{self.worker.rank}-{secrets.token_hex(3)}")
        self._close_cache()  # the next one sees what other workers have written
        if self.reading.needs_check:
            self._check_cached({video.id for video in missing}, videos, lost)
        return lost

    def _check_cached(self, decoded: Collection[str], videos: Sequence[Video], lost: list[LostVideo]) -> None:
        """Add the videos to `lost` that were cached before, and whose clips cannot be trained on."""
        cached = [video for video in videos if video.id not in decoded]
        tasks = (self.reading.task(video, 0, is_deterministic=True) for video in cached)
        for video, clip in zip(cached, self.clips.decode(tasks), strict=True):
            assert isinstance(clip, np.ndarray)
            if problem := self.reading.problem(video, clip):
                lost.append(_lost(video, problem))

    def close(self) -> None:
        """End the decoders and close the cache."""
        self._decoders.close()
        self._close_cache()

    def _decoded(
        self, videos: Sequence[Video], lost: list[LostVideo], meter: Meter
    ) -> Iterator[tuple[Video, NDArray[np.uint8]]]:
        """Videos with their clips; those that cannot be decoded, or trained on, are added to `lost`."""
        decoded = self._decoders.decode(self.reading.task(video, 0, is_deterministic=True) for video in videos)
        outcomes = meter.follow("checking", decoded, len(videos) * self.worker.world, lambda outcome: 1)
        for video, outcome in zip(videos, outcomes, strict=True):
            problem = outcome if isinstance(outcome, VideoError) else self.reading.problem(video, outcome)
            if problem is not None:
                lost.append(_lost(video, problem))
            if not isinstance(outcome, VideoError):
                yield video, outcome

    def labels_of(self, row: int) -> tuple[int, ...]:
        """The labels of a row, for the cache."""
        first, stop = self.labels.offsets[row : row + 2]
        return tuple(self.labels.values[first:stop].tolist())

    def _opened_cache(self, uri: str) -> ClipCache:
        if self._cache is None:
            self._cache = ClipCache(uri, self.reading.form)
        return self._cache

    def _close_cache(self) -> None:
        if self._cache is not None:
            self._cache.__exit__(None, None, None)
            self._cache = None


def _lost(video: Video, problem: VideoError) -> LostVideo:
    return LostVideo(id=video.id, uri=redacted_uri(video.uri), code=problem.code, message=redacted(problem.message))

"""A worker's access to clips: decoded from the videos, or from a cache that is filled first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import LabelLists
from cluster.clips.cache import CachedClips, ClipCache, clip_row
from cluster.clips.decoder_pool import ClipDecoderPool
from cluster.storage.redaction import redacted, redacted_uri
from cluster.training.clip_source import ClipReading, ClipSource
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
        reading: ClipReading,
        worker: Worker,
        decoders: int,
        cache: str | None,
    ) -> None:
        self._videos, self._labels, self._used = videos, labels, used
        self._reading, self._worker = reading, worker
        self._decoders = ClipDecoderPool(decoders)
        self._cache_uri = cache
        self._cache: ClipCache | None = None

    def source(self, split: Split, order: BatchOrder) -> ClipSource:
        """The worker's share of a split."""
        return ClipSource(
            self._videos,
            split.rows,
            split.targets,
            reading=self._reading,
            order=order,
            worker=self._worker,
            decoders=self._decoders if self._cache_uri is None else CachedClips(self._opened_cache(self._cache_uri)),
        )

    def find_lost(self, meter: Meter = UNWATCHED) -> Sequence[LostVideo]:
        """The videos that cannot be decoded: each is tried once, with the deterministic sampling.

        Clips that the cache misses are added to it.
        """
        share = np.flatnonzero(self._used)[self._worker.rank :: self._worker.world]
        videos = [self._videos[row] for row in share]
        lost: list[LostVideo] = []
        if self._cache_uri is None:
            for _ in self._decoded(videos, lost, meter):
                pass
            return lost
        cache = self._opened_cache(self._cache_uri)
        missing = cache.missing(videos)
        labels = {self._videos[row].id: self._labels_of(row) for row in share}
        rows = (
            clip_row(video, labels[video.id], clip[None], self._reading.format)
            for video, clip in self._decoded(missing, lost, meter)
        )
        cache.write(rows, writer=f"{self._worker.rank}-{secrets.token_hex(3)}")
        self._close_cache()  # the next one sees what other workers have written
        return lost

    def close(self) -> None:
        """End the decoders and close the cache."""
        self._decoders.close()
        self._close_cache()

    def _decoded(
        self, videos: Sequence[Video], lost: list[LostVideo], meter: Meter
    ) -> Iterator[tuple[Video, NDArray[np.uint8]]]:
        """Videos with their clips; those that cannot be decoded are added to `lost`."""
        decoded = self._decoders.decode(self._reading.task(video, 0, is_deterministic=True) for video in videos)
        outcomes = meter.follow("checking", decoded, len(videos) * self._worker.world, lambda outcome: 1)
        for video, outcome in zip(videos, outcomes, strict=True):
            if isinstance(outcome, VideoError):
                uri = redacted_uri(video.uri)
                lost.append(LostVideo(id=video.id, uri=uri, code=outcome.code, message=redacted(outcome.message)))
            else:
                yield video, outcome

    def _labels_of(self, row: int) -> tuple[int, ...]:
        first, stop = self._labels.offsets[row : row + 2]
        return tuple(self._labels.values[first:stop].tolist())

    def _opened_cache(self, uri: str) -> ClipCache:
        if self._cache is None:
            self._cache = ClipCache(uri, self._reading.format, self._reading.deterministic)
        return self._cache

    def _close_cache(self) -> None:
        if self._cache is not None:
            self._cache.__exit__(None, None, None)
            self._cache = None

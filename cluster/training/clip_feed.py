"""What gives clips to one worker of a training: from videos, or from a cache once they are there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from classifiers.data.batches import BatchOrder, Worker
from cluster.clips.cache import CachedClips, ClipCache, clip_row
from cluster.clips.decoder_pool import ClipDecoderPool
from cluster.storage.redaction import redacted
from cluster.training.clip_source import ClipSource
from cluster.training.splits import Split
from schemas.outcomes import VideoError
from schemas.trainings import LostVideo
from schemas.videos import Video

if TYPE_CHECKING:  # which imports this module
    from cluster.training.clip_data import ClipData


class ClipFeed:
    """Decodes clips, or takes them from the cache once they are there."""

    def __init__(self, data: ClipData, worker: Worker) -> None:
        self._data, self._worker = data, worker
        self._reading = data.reading
        self._decoders = ClipDecoderPool(data.settings.options.engine.decoders or worker.threads)
        self._cache_uri = data.settings.options.clips.clip_cache
        self._cache: ClipCache | None = None

    def source(self, split: Split, order: BatchOrder) -> ClipSource:
        """See `training_data.Feed`."""
        return ClipSource(
            self._data.videos,
            split.rows,
            split.targets,
            reading=self._reading,
            order=order,
            worker=self._worker,
            decoders=self._decoders if self._cache_uri is None else CachedClips(self._opened_cache(self._cache_uri)),
        )

    def find_lost(self) -> Sequence[LostVideo]:
        """Those that cannot be decoded: each is tried once, the way it will be looked at to measure.

        What the cache lacks comes into it.
        """
        wanted = np.logical_or.reduce([split.rows for split in self._data.splits.values()])
        videos = [self._data.videos[row] for row in np.flatnonzero(wanted)[self._worker.rank :: self._worker.world]]
        lost: list[LostVideo] = []
        if self._cache_uri is None:
            for _ in self._decoded(videos, lost):
                pass
            return lost
        cache = self._opened_cache(self._cache_uri)
        lacking = cache.missing(videos)
        labels = {video.id: self._data.labels_of(row) for row, video in enumerate(self._data.videos)}
        rows = (
            clip_row(video, labels[video.id], clip[None], self._reading.format)
            for video, clip in self._decoded(lacking, lost)
        )
        cache.write(rows, writer=f"{self._worker.rank}-{secrets.token_hex(3)}")
        self._close_cache()  # to see what others have written
        return lost

    def close(self) -> None:
        """See `training_data.Feed`."""
        self._decoders.close()
        self._close_cache()

    def _decoded(self, videos: Sequence[Video], lost: list[LostVideo]) -> Iterator[tuple[Video, NDArray[np.uint8]]]:
        """Videos with their clips; those that have none are `lost`."""
        outcomes = self._decoders.decode(self._reading.task(video, 0, is_steady=True) for video in videos)
        for video, outcome in zip(videos, outcomes, strict=True):
            if isinstance(outcome, VideoError):
                uri = redacted(video.uri)
                lost.append(LostVideo(id=video.id, uri=uri, code=outcome.code, message=outcome.message))
            else:
                yield video, outcome

    def _opened_cache(self, uri: str) -> ClipCache:
        if self._cache is None:
            self._cache = ClipCache(uri, self._reading.format, self._reading.steady)
        return self._cache

    def _close_cache(self) -> None:
        if self._cache is not None:
            self._cache.__exit__(None, None, None)
            self._cache = None

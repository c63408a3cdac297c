"""The videos of an input as a stream: parts of them, of which memory holds one at a time.

`WholeVideos` are all there. `ListedVideos` are listed by a thread while others are worked on: what has been listed by
then is a window, which is on this machine's disk and goes through all parts before the next one begins. Each is at
least as large as all before it, so that few of them go through the ledger. The labels in tars (`datasets.tar_videos`)
are those of videos that are worked on: rows that are settled keep theirs, as nothing holds all labels at one time.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from threading import Lock, Thread

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from cluster.datasets.partitions import PARTS, WHOLE, Partition, hashes_of
from cluster.datasets.video_folder import FolderListing, VideoFolder
from cluster.storage.buckets import StoredFile
from cluster.storage.files import StorageError
from cluster.storage.spill import Spill
from schemas.errors import examples
from schemas.videos import Video, content_of

# A file name may be no text: URIs are kept as bytes.
LISTED = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.binary()),
        ("version", pa.string()),
        ("size_bytes", pa.int64()),
        ("labels", pa.list_(pa.int32())),
    ]
)
ENCODING = "utf-8", "surrogateescape"
WINDOW_SECONDS = 10.0  # after which a window may be smaller than all before it


@dataclass(frozen=True)
class VideoPart:
    """Videos whose ids are in part `number`, by their ids and contents; `video` makes the one at a place."""

    number: int
    ids: pa.Array
    contents: pa.Array
    video: Callable[[int], Video]

    def __len__(self) -> int:
        return len(self.ids)


class VideoStream(ABC):
    """Videos, part by part. To be closed."""

    @property
    @abstractmethod
    def whole(self) -> Sequence[Video] | None:
        """All videos, where they are known."""

    @property
    @abstractmethod
    def unread(self) -> tuple[str, ...]:
        """Folders, links and tars that were not read, or not to their end, so far: videos are missing."""

    @property
    @abstractmethod
    def unread_share(self) -> float:
        """The fraction of tars, so far, that were not read to their end."""

    everything: Sequence[Video] = ()  # the videos of all partitions, where memory holds them

    @abstractmethod
    def all(self) -> Sequence[Video]:
        """All videos, for which memory must have room."""

    @abstractmethod
    def parts(self, count: int) -> Iterator[VideoPart | None]:
        """All of them in `count` parts, each once or more often; None while there is none yet."""

    @abstractmethod
    def close(self) -> None:
        """Release what it holds."""


class WholeVideos(VideoStream):
    """Those of the videos that a partition holds, all known; `everything` are the videos of all partitions."""

    def __init__(
        self,
        videos: Sequence[Video],
        unread: tuple[str, ...] = (),
        partition: Partition = WHOLE,
        *,
        unread_share: float = 0.0,
    ) -> None:
        self.everything = videos
        if partition != WHOLE:
            held = partition.holds(hashes_of(video.id for video in videos))
            videos = [videos[place] for place in held.nonzero()[0].tolist()]
        self._videos, self._unread, self._partition = videos, unread, partition
        self._unread_share = unread_share

    @property
    @override
    def whole(self) -> Sequence[Video]:
        return self._videos

    @property
    @override
    def unread(self) -> tuple[str, ...]:
        return self._unread

    @property
    @override
    def unread_share(self) -> float:
        return self._unread_share

    @override
    def all(self) -> Sequence[Video]:
        return self._videos

    @override
    def close(self) -> None:
        pass

    def with_videos(self, videos: Sequence[Video]) -> WholeVideos:
        """The same with `videos`, which have the same ids."""
        made = copy(self)
        made._videos = videos
        return made

    @override
    def parts(self, count: int) -> Iterator[VideoPart]:
        if count == 1:
            yield _part(0, self._videos)
            return
        numbers = self._partition.parts(hashes_of(video.id for video in self._videos), count)
        order = np.argsort(numbers, kind="stable")
        for number, places in enumerate(np.split(order, np.cumsum(np.bincount(numbers, minlength=count))[:-1])):
            yield _part(number, [self._videos[place] for place in places])


def _part(number: int, videos: Sequence[Video]) -> VideoPart:
    ids = pa.array([video.id for video in videos], pa.string())
    return VideoPart(number, ids, pa.array(map(content_of, videos), pa.string()), videos.__getitem__)


class ListedVideos(VideoStream):
    """Those of the videos in a folder that a partition holds; `files` of the listing are still being listed.

    `check` raises an exception for a whole folder that cannot be worked on.
    """

    def __init__(
        self,
        listing: FolderListing,
        files: Iterable[Sequence[StoredFile]],
        check: Callable[[VideoFolder], object],
        partition: Partition = WHOLE,
    ) -> None:
        self._listing, self._files, self._check, self._partition = listing, files, check, partition
        self._videos: Sequence[Video] | None = None
        self._spill = Spill(LISTED, PARTS)
        self._lock = Lock()
        self._is_over, self._is_closed = True, False  # whether the thread is at its end, and is to end
        self._has_videos = False
        self._error: Exception | None = None

    @property
    @override
    def whole(self) -> Sequence[Video] | None:
        return self._videos

    @property
    @override
    def unread(self) -> tuple[str, ...]:
        return (*self._listing.unread, *self._listing.unread_tars, *self._listing.outside)

    @property
    @override
    def unread_share(self) -> float:
        return self._listing.unread_share

    @override
    def all(self) -> Sequence[Video]:
        if self._videos is None:
            found = self._listing.folder(file for some in self._files for file in some)
            self._check(found)
            self.everything = found.videos
            self._videos = WholeVideos(found.videos, partition=self._partition).all()
        return self._videos

    @override
    def parts(self, count: int) -> Iterator[VideoPart | None]:
        if self._videos is not None:
            yield from WholeVideos(self._videos, partition=self._partition).parts(count)
            return
        assert count == PARTS
        self._is_over = False
        Thread(target=self._list, name="listing", daemon=True).start()
        taken = taken_rows = 0
        awaited_since = time.monotonic()
        while True:
            is_over, rows = self._is_over, self._spill.rows  # in this order: no row comes after the end
            if self._error is not None:
                raise self._error
            if rows == taken_rows and is_over:
                return
            has_waited = time.monotonic() > awaited_since + WINDOW_SECONDS
            if rows == taken_rows or not (is_over or rows >= 2 * taken_rows or has_waited):
                yield None
                continue
            with self._lock:
                rows = self._spill.rows
                self._spill.flush()
                end = self._spill.runs
            for number in range(PARTS):
                table = self._spill.part(number, taken, end)
                if len(table):
                    earlier = self._spill.part(number, 0, taken if self._listing.tars else 0)
                    yield _listed_part(number, table, earlier["id"])
            taken, taken_rows, awaited_since = end, rows, time.monotonic()

    @override
    def close(self) -> None:
        self._is_closed = True
        self._listing.close()
        if self._is_over:  # otherwise the thread does so
            self._spill.close()

    def _list(self) -> None:
        try:
            for some in self._files:
                if self._is_closed:
                    break
                if not self._listing.is_ordered:
                    raise StorageError(
                        "this store lists its files in no order, and there are too many: give a manifest"
                    )
                for videos in self._listing.some_videos(some):
                    if self._is_closed:
                        break
                    self._add(videos)
            if self._has_videos or self._is_closed:
                self._listing.log_members()
            else:
                self._check(self._listing.folder(()))  # which says what there is instead
        except OSError as error:
            self._error = StorageError(f"the input cannot be listed to its end: {error}")
        except Exception as error:
            self._error = error
        self._is_over = True
        if self._is_closed:
            self._spill.close()

    def _add(self, videos: Sequence[Video]) -> None:
        self._has_videos = self._has_videos or bool(videos)
        hashes = hashes_of(video.id for video in videos)
        rows = [
            (video.id, video.uri.encode(*ENCODING), video.version, video.size_bytes, video.labels) for video in videos
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(LISTED)
        table = pa.Table.from_arrays(list(map(pa.array, columns, LISTED.types)), schema=LISTED)
        numbers = self._partition.parts(hashes)
        if self._partition != WHOLE:
            held = self._partition.holds(hashes)
            table, numbers = table.filter(pa.array(held)), numbers[held]
        with self._lock:
            self._spill.add(table, numbers)


def _listed_part(number: int, table: pa.Table, earlier: pa.ChunkedArray) -> VideoPart:
    """The videos of a table of `LISTED`; `earlier` are the ids in the same part that came before."""
    ids, uris, versions, sizes, labels = (table[name].combine_chunks() for name in LISTED.names)
    if len(ids.unique()) < len(ids) or pc.any(pc.is_in(ids, value_set=earlier)).as_py():
        counts = Counter([*earlier.to_pylist(), *ids.to_pylist()])
        twice = sorted(name for name, count in counts.items() if count > 1)
        raise StorageError(f"members of tars have the ids of other videos, rename the tars: {examples(twice)}")

    def video(place: int) -> Video:
        return Video(
            id=ids[place].as_py(),
            uri=uris[place].as_py().decode(*ENCODING),
            labels=tuple(labels[place].as_py()),
            version=versions[place].as_py(),
            size_bytes=sizes[place].as_py(),
        )

    return VideoPart(number, ids, versions, video)

"""Videos that are found while others are worked on: in a folder that is being listed, or a manifest that is being read.

What a thread has found by then is a window, which is on this machine's disk and goes through all parts before the next
one begins. Each is at least as large as all before it, so that few of them go through the ledger.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock, Thread

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from cluster.datasets.annotations import GIVEN
from cluster.datasets.partitions import PARTS, WHOLE, Partition, hashes_of
from cluster.datasets.video_stream import VideoPart, VideoStream, WholeVideos
from cluster.datasets.video_table import VIDEOS, video_of, video_table
from cluster.storage.files import StorageError
from cluster.storage.spill import Spill
from schemas.errors import InputError
from schemas.videos import Video

WINDOW_SECONDS = 10.0  # after which a window may be smaller than all before it


class SpilledVideos(VideoStream):
    """Those of the videos that a partition holds, which `_find` adds in a thread of its own."""

    def __init__(self, partition: Partition) -> None:
        self.class_names: list[str] = []
        self._partition = partition
        self._videos: Sequence[Video] | None = None
        self._spill = Spill(VIDEOS, PARTS)
        self._lock = Lock()
        self._is_over, self._is_closed = True, False  # whether the thread is at its end, and is to end

    @abstractmethod
    def _find_all(self) -> Sequence[Video]:
        """All of them, of all partitions. Raises what `_find` does."""

    @abstractmethod
    def _find(self) -> None:
        """Add all of them; raises an exception for what cannot be worked on, which ends the stream."""

    @abstractmethod
    def _distinct(self, found: pa.Table, earlier_ids: Callable[[], pa.ChunkedArray]) -> pa.Table:
        """The rows whose ids are not there before them; `earlier_ids` are those of earlier windows in the same part."""

    @property
    @override
    def whole(self) -> Sequence[Video] | None:
        return self._videos

    @override
    def all(self) -> Sequence[Video]:
        if self._videos is None:
            self.everything = self._find_all()
            self._videos = WholeVideos(self.everything, partition=self._partition).all()
        return self._videos

    @override
    def parts(self, count: int) -> Iterator[VideoPart | None]:
        if self._videos is not None:
            yield from WholeVideos(self._videos, partition=self._partition).parts(count)
            return
        assert count == PARTS
        self._is_over = False
        Thread(target=self._run, name="videos", daemon=True).start()
        taken = taken_rows = 0
        awaited_since = time.monotonic()
        while True:
            is_over, rows = self._is_over, self._spill.rows  # in this order: no row comes after the end
            self._raise()
            if rows == taken_rows and is_over:
                return
            has_waited = time.monotonic() > awaited_since + WINDOW_SECONDS
            if rows == taken_rows or not (is_over or rows >= 2 * taken_rows or has_waited):
                yield None
                continue
            end, rows = self._flushed()
            for number in range(PARTS):
                self._raise()
                found = self._spill.part(number, taken, end)
                if len(found):
                    found = self._distinct(found, partial(self._ids, number, taken))
                if len(found):
                    yield _part(number, found)
            taken, taken_rows, awaited_since = end, rows, time.monotonic()

    @override
    def close(self) -> None:
        self._is_closed = True
        if self._is_over:  # otherwise the thread does so
            self._release()

    def _release(self) -> None:
        self._spill.close()

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error

    def _flushed(self) -> tuple[int, int]:
        """How many runs and rows there are, all of them on disk."""
        with self._lock:
            self._spill.flush()
            return self._spill.runs, self._spill.rows

    def _ids(self, number: int, end: int) -> pa.ChunkedArray:
        """The ids of a part in the runs before `end`."""
        return self._spill.part(number, 0, end, ("id",))["id"]

    def _run(self) -> None:
        try:
            self._find()
        except (OSError, StorageError) as error:
            self.error = InputError(f"the input cannot be read to its end: {error}")
        except Exception as error:
            self.error = error
        self._is_over = True
        if self._is_closed:
            self._release()

    def _add(self, videos: Sequence[Video]) -> None:
        """Take videos of any partition."""
        self._annotate(videos)
        hashes = hashes_of(video.id for video in videos)
        numbers = self._partition.parts(hashes)
        if self._partition != WHOLE:
            held = self._partition.holds(hashes)
            videos, numbers = [videos[place] for place in held.nonzero()[0].tolist()], numbers[held]
        table = video_table(self._completed(videos))
        with self._lock:
            self._spill.add(table, numbers)

    def _completed(self, videos: Sequence[Video]) -> Sequence[Video]:
        """The videos with all that is known of them; the partition holds them."""
        return videos

    def _annotate(self, videos: Sequence[Video]) -> None:
        """Take the names of classes, before there are videos that have them."""
        self.has_splits = self.has_splits or any(video.split for video in videos)
        labels = {label for video in videos for label in video.labels}
        self.has_labels = self.has_labels or bool(labels)
        self.class_names += sorted({label for label in labels if isinstance(label, str)}.difference(self.class_names))


def _part(number: int, found: pa.Table) -> VideoPart:
    contents = pc.coalesce(found["content"], found["version"]).combine_chunks()
    return VideoPart(
        number,
        found["id"].combine_chunks(),
        contents,
        lambda places: list(map(video_of, found.take(pa.array(places)).to_pylist())),
        found.select(GIVEN.names),
    )

"""The videos that an extraction has left to do, part by part: the next part is joined with what earlier runs have
settled once the one before it has been handed out.

A part is repaired (`FeatureDataset.repaired`) before it counts, once however often it comes, and rows that are to be
replaced are withdrawn before any of its videos is handed out. Where all videos are known and the dataset is small,
there is one part. Names of classes have their indices before a video that has them is handed out, and rows that are
settled get the labels and splits of the manifest: at once, or where it is a stream, after all else.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import Increment, increment_of
from cluster.datasets.late_annotations import LateAnnotations
from cluster.datasets.settled_rows import SettledPart, sound
from cluster.datasets.video_stream import VideoPart, VideoStream
from cluster.datasets.vocabulary import Vocabulary
from cluster.extraction.config import ExtractionOptions
from cluster.runs.open_failures import OpenFailures
from schemas.videos import Video

POLL_SECONDS = 0.05


class Backlog:
    """What is left of `videos` for `dataset`, whose lease the caller holds, once it has begun. To be closed.

    seen       videos of the parts so far
    pending    those of them that are to be done
    earlier    those that keep the row of an earlier release
    failures   those that failed in an earlier run, and are not tried again
    retried    those that failed in an earlier run, and are: the files that hold their failures, by id
    is_known   whether there is no further part
    """

    def __init__(self, videos: VideoStream, dataset: FeatureDataset, options: ExtractionOptions) -> None:
        self.seen = self.pending = self.earlier = 0
        self.failures = OpenFailures({})
        self.retried: dict[str, tuple[str, ...]] = {}
        self._stream, self._dataset, self._options = videos, dataset, options
        self._repaired: set[int] = set()  # parts
        self._vocabulary: Vocabulary | None = None
        self._named = 0  # of the stream's names of classes
        dataset.clear()
        self._rows = dataset.settled_rows(in_parts=True if videos.whole is None else None)
        self._annotations = LateAnnotations(self._rows.files) if videos.whole is None else None
        self._increments = self._joined(videos.parts(self._rows.count))
        self._whole = videos.whole
        self.is_known = self._rows.count == 1
        self._next: tuple[Increment, SettledPart] | None = None

    def begin(self) -> None:
        """Go through the parts up to the first that has anything to do."""
        self._next = self._advance()

    @property
    def videos(self) -> int:
        """How many videos there are, as far as is known."""
        return self.seen if self._whole is None else len(self._whole)

    @property
    def settled(self) -> int:
        """How many earlier runs have settled, as far as is known."""
        return self.seen - self.pending

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to do."""
        return self._next is None

    def first(self) -> list[Video]:
        """Those of the first part that has any."""
        return [] if self._next is None else list(self._next[0].pending)

    def withdraw(self) -> None:
        """Withdraw the rows that videos of the next part replace."""
        if self._next is not None:
            increment, part = self._next
            self._dataset.withdraw(increment.replaced, part)
            self._next = replace(increment, replaced=frozenset()), part

    def labels_of(self, video: Video) -> tuple[int, ...]:
        """The class indices of a video that has been handed out."""
        assert self._vocabulary is not None
        return self._vocabulary.indices(video)

    def annotate(self) -> int:
        """Give settled rows the labels and splits of videos that are all known; returns how many held others."""
        self._named_classes()
        return self._dataset.annotate(self._stream.everything)

    def annotate_late(self) -> int:
        """The same, where they were not all known before; all have been handed out."""
        if self._annotations is None:
            return 0
        return self._dataset.annotate_parts(self._annotations.parts(self._stream, self._named_classes()))

    def _named_classes(self) -> Vocabulary:
        """The names of all classes so far, with their indices."""
        if self._vocabulary is None:
            self._vocabulary = self._dataset.name_classes(self._stream.everything)
        names = self._stream.class_names
        if len(names) > self._named:
            self._named, self._vocabulary = len(names), self._dataset.add_classes(names)
        return self._vocabulary

    def __iter__(self) -> Iterator[Video | None]:
        """All that are left to do; None while it is not known which are next."""
        while self._next is not None:
            self.withdraw()
            self._named_classes()
            yield from self._next[0].pending
            self._next, begun = None, time.monotonic()
            for found in self._increments:
                if found is not None and found[0].pending:
                    self._next = found
                    break
                if found is None or time.monotonic() > begun + POLL_SECONDS:
                    yield None  # whoever waits can do other work in between
                    begun = time.monotonic()

    def waiting(self) -> Iterator[Video]:
        """The same for those who cannot do anything else meanwhile."""
        for video in self:
            if video is None:
                time.sleep(POLL_SECONDS)
            else:
                yield video

    def close(self) -> None:
        """Remove what is on disk."""
        self._increments.close()
        self._rows.close()
        if self._annotations is not None:
            self._annotations.close()

    def _advance(self) -> tuple[Increment, SettledPart] | None:
        """The next part with anything to do, once it is there."""
        for found in self._increments:
            if found is None:
                time.sleep(POLL_SECONDS)
            elif found[0].pending:
                return found
        return None

    def _joined(self, parts: Iterator[VideoPart | None]) -> Generator[tuple[Increment, SettledPart] | None, None, None]:
        for videos in parts:
            yield None if videos is None else self._join(videos)
        self.is_known = True

    def _join(self, videos: VideoPart) -> tuple[Increment, SettledPart]:
        revision, failures = self._dataset.revision, self._options.failures
        part = self._rows.part(videos.number)
        part = sound(part) if videos.number in self._repaired else self._dataset.repaired(part)
        self._repaired.add(videos.number)
        open_places = np.flatnonzero(~part.same_as(videos.ids, videos.contents, revision))
        settled = part.settled(revision, videos.ids.take(pa.array(open_places)))
        increment = increment_of(
            videos.videos(open_places),
            settled,
            failures.retry_failed,
            redo_earlier=self._options.redo_earlier,
        )
        if self._annotations is not None and videos.annotations is not None:
            self._annotations.add(part, videos.annotations)
        self.seen += len(videos)
        self.pending += len(increment.pending)
        self.earlier += increment.earlier
        for name, code in increment.failed.items():
            self.failures.add_earlier(name, code)
        self.retried |= part.failure_files(settled.failed.keys() - increment.failed.keys())
        return increment, part

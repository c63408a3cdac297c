"""The videos of an input as a stream: parts of them, of which memory holds one at a time.

`WholeVideos` are all there; others are found while the first are worked on (`datasets.spilled_videos`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import override

from cluster.datasets.partitions import WHOLE, Partition, hashes_of
from schemas.videos import Video, content_of


@dataclass(frozen=True)
class VideoPart:
    """Videos whose ids are in part `number`, by their ids and contents; `videos` makes those at some places.

    annotations  their ids, labels and splits (`annotations.GIVEN`), where memory does not hold those of all videos
    """

    number: int
    ids: pa.Array
    contents: pa.Array
    videos: Callable[[NDArray[np.intp]], list[Video]]
    annotations: pa.Table | None = None

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
    # Of all partitions, so far, where memory does not: names of classes, in the order of their indices, and whether any
    # video has labels or a split.
    class_names: Sequence[str] = ()
    has_labels = has_splits = False
    error: Exception | None = None  # why there are no further parts

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
    return VideoPart(
        number, ids, pa.array(map(content_of, videos), pa.string()), lambda places: [videos[place] for place in places]
    )

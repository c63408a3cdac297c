"""When the frames of a video are shown: as much of it as a clip needs, from as few packets as that takes.

Headers are not relied upon. Where the container has an index, a long video's first group of pictures and its last tell
when it begins and ends; all else is read, once and without decoding. Times are in ticks of the stream.

A stretch of a video is its frames in order, for clips that have no rate of their own. Which frames those are is exact,
but for one case: in a stretch of more than a minute that Matroska holds, whose index does not count frames, or that is
a part of a video, a frame is found by its time at the average rate. Those after it are again the next in order.

Whatever casts doubt on timestamps or syntax raises `UnsureStructureError`; the video is then decoded whole to know.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Protocol

from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import LEAP_SECONDS, promised_end
from extractors.video.full_decode import REORDERED_PICTURES
from extractors.video.groups import Group, read_groups
from extractors.video.media import Media, ReadsAhead, Source
from extractors.video.packets import PacketReader
from extractors.video.probe import header_duration
from extractors.video.seek import can_seek, groups_at
from extractors.video.selective_decode import check_origin, first_pts

LISTED_SECONDS = 60  # reading so much takes less than going about it cleverly
ROUNDING_SECONDS = Fraction(1, 500)


class Stretch(Protocol):
    """Frames in order."""

    @property
    def count(self) -> Fraction:
        """How many there are."""

    def stamps(self, positions: Sequence[Fraction]) -> list[int]:
        """When the frames at these positions come on screen, of which the first is the lowest."""


class FrameTimes(Protocol):
    """What is known of a video: its first frame comes at `origin`, its last one goes at `end_pts`."""

    @property
    def origin(self) -> int:
        """In ticks."""

    @property
    def end_pts(self) -> int:
        """In ticks."""

    def stretch(self, start_pts: int, end_pts: int) -> Stretch:
        """The frames from the one on that is on screen at `start_pts`, those that come before `end_pts`."""


def rounding_ticks(tick: Fraction) -> Fraction:
    """By how much a frame may be said to come too late: timestamps are rounded to ticks."""
    return min(Fraction(1), ROUNDING_SECONDS / tick)


def frame_times(media: Media, source: Source) -> FrameTimes:
    """Look at `media`, which is `source` freshly opened; its container is somewhere else afterwards."""
    duration = header_duration(media)
    if can_seek(media) and duration is not None and duration > LISTED_SECONDS:
        return IndexedTimes(media, source)
    if isinstance(source, ReadsAhead):
        source.expect_all()
    return list_times(media)


@dataclass(frozen=True)
class ListedTimes:
    """All frames, by when they come on screen, in order."""

    frames: Sequence[int]
    end_pts: int

    @property
    def origin(self) -> int:
        """When the first frame comes."""
        return self.frames[0]

    def stretch(self, start_pts: int, end_pts: int) -> Stretch:
        """See `FrameTimes`."""
        first = max(bisect_right(self.frames, start_pts) - 1, 0)
        return _Listed(self.frames[first : max(bisect_left(self.frames, end_pts), first + 1)])


def list_times(media: Media) -> ListedTimes:
    """All frames of `media`, from the packets that are yet to be read of it."""
    frames: list[int] = []
    end_pts = 0
    for group, _ in read_groups(media, PacketReader(media, is_strict=True)):
        if not frames:
            first_pts(group)
            check_origin(media.video.codec_context, group)
        shown = group.shown()
        frames += [frame.pts for frame in shown]
        end_pts = max([end_pts, *(frame.end_pts for frame in shown)])
    if not frames:
        raise UnsureStructureError("the stream shows nothing")
    _check_clock(media, frames)
    return ListedTimes(frames, end_pts)


class IndexedTimes:
    """A long video in a container that has an index: its ends, and what is between them where somebody asks."""

    def __init__(self, media: Media, source: Source) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._media = media
        self.tick = stream.time_base
        opening = next(read_groups(media, PacketReader(media, is_strict=True)), None)
        if opening is None:
            raise UnsureStructureError("the stream holds no packet")
        self.origin = first_pts(opening[0])
        check_origin(stream.codec_context, opening[0])
        self._ranks = _Ranks.of(media)
        promise = promised_end(media, source)
        target_pts = self.origin if promise is None else int(promise.end_seconds / self.tick)
        shown = [frame for group in self._groups_at(target_pts) for frame in group.shown()]
        _check_clock(media, [frame.pts for frame in shown])
        self.end_pts = max([self.origin + 1, *(frame.end_pts for frame in shown)])

    def stretch(self, start_pts: int, end_pts: int) -> Stretch:
        """See `FrameTimes`."""
        if self._ranks is not None and start_pts <= self.origin and end_pts >= self.end_pts:
            return _Ranked(self, self._ranks)
        if (end_pts - start_pts) * self.tick <= LISTED_SECONDS:
            return self._listed(start_pts, end_pts)
        rate = self._media.video.average_rate
        if not rate:
            raise UnsureStructureError("the container does not say how many frames a second there are")
        count = max(round((end_pts - start_pts) * self.tick * rate), 1)
        return _Timed(self, start_pts, Fraction(count), 1 / (rate * self.tick))

    def following(self, start_pts: int, count: int) -> list[int]:
        """`count` frames, the first of them the one that is on screen at `start_pts`."""
        stamps: list[int] = []
        first = 0
        for group in self._groups_at(start_pts):
            stamps += [frame.pts for frame in group.shown()]
            first = max(bisect_right(stamps, start_pts) - 1, 0)
            if len(stamps) - first > count:  # one more, since the last of them may be before `start_pts`
                break
        if len(stamps) - first < count:
            raise UnsureStructureError("the frames come less often than the average rate says")
        return stamps[first : first + count]

    def ranked(self, first: int, stop: int, ranks: _Ranks) -> list[int]:
        """Frames `first` to `stop` (exclusive) of the video."""
        stamps: list[int] = []
        rank: int | None = None
        for group in self._groups_at(max(ranks.earliest_pts(first), self.origin)):
            if rank is None:
                rank = ranks.of_first(group)
            if not all(frame.shown or (ranks.hidden and frame.packet.is_discard) for frame in group.frames):
                raise UnsureStructureError("packets that show nothing are counted by the index")
            stamps += [frame.pts for frame in group.shown()]
            if rank + len(stamps) >= stop:
                break
        if rank is None or rank > first or rank + len(stamps) < stop:
            raise UnsureStructureError("the index counts other frames than there are")
        return stamps[first - rank : stop - rank]

    def _listed(self, start_pts: int, end_pts: int) -> Stretch:
        stamps: list[int] = []
        for group in self._groups_at(start_pts):
            stamps += [frame.pts for frame in group.shown()]
            if stamps and stamps[-1] >= end_pts:
                break
        return ListedTimes(stamps, self.end_pts).stretch(start_pts, end_pts)

    def _groups_at(self, target_pts: int) -> Iterator[Group]:
        def read() -> PacketReader:
            return PacketReader(self._media, is_strict=True)

        return (group for group, _ in groups_at(self._media, read, target_pts, Fraction(0)))


@dataclass(frozen=True)
class _Ranks:
    """What the index of an MP4 says of the order of packets, by when they are decoded.

    hidden  the numbers of those that an edit list hides, which it does at the beginning and at the end
    count   of the others
    """

    stream: VideoStream
    hidden: tuple[int, ...]
    count: int

    @classmethod
    def of(cls, media: Media) -> _Ranks | None:
        """None where the index does not have all packets: Matroska's never does, nor that of a fragmented MP4."""
        entries = media.video.index_entries
        total = len(entries)
        if media.format != "mov" or not media.video.frames or not 0 < total <= media.video.frames:
            return None
        hidden: tuple[int, ...] = ()
        if any(entry.is_discard for entry in (*entries[:REORDERED_PICTURES], *entries[-REORDERED_PICTURES:])):
            hidden = tuple(number for number, entry in enumerate(entries) if entry.is_discard)
        return cls(media.video, hidden, total - len(hidden))

    def earliest_pts(self, rank: int) -> int:
        """A time before which frame `rank` is not shown: of as many packets, each is decoded before it is shown."""
        number = rank
        for other in self.hidden:
            number += other <= number
        return self.stream.index_entries[number].timestamp

    def of_first(self, group: Group) -> int:
        """Which frame of the video is the first that `group` shows, where reading has started with it."""
        head = group.frames[0]
        entries = self.stream.index_entries
        place = -1 if head.packet.dts is None else entries.search_timestamp(head.packet.dts, any_frame=True)
        if place < 0 or entries[place].timestamp != head.packet.dts:
            raise UnsureStructureError("a packet is not in the index")
        # Leading pictures that were left out, before the first one that is shown, have left gaps in the numbers.
        skipped = group.frames[-1].number - head.number + 1 - len(group.frames)
        return place - bisect_left(self.hidden, place) + skipped


@dataclass(frozen=True)
class _Listed:
    frames: Sequence[int]

    @property
    def count(self) -> Fraction:
        return Fraction(len(self.frames))

    def stamps(self, positions: Sequence[Fraction]) -> list[int]:
        return [self.frames[floor(position)] for position in positions]


@dataclass(frozen=True)
class _Ranked:
    times: IndexedTimes
    ranks: _Ranks

    @property
    def count(self) -> Fraction:
        return Fraction(self.ranks.count)

    def stamps(self, positions: Sequence[Fraction]) -> list[int]:
        numbers = [floor(position) for position in positions]
        found = self.times.ranked(numbers[0], max(numbers) + 1, self.ranks)
        return [found[number - numbers[0]] for number in numbers]


@dataclass(frozen=True)
class _Timed:
    times: IndexedTimes
    start_pts: int
    count: Fraction
    frame_ticks: Fraction

    def stamps(self, positions: Sequence[Fraction]) -> list[int]:
        numbers = [floor(position) for position in positions]
        rounding = rounding_ticks(self.times.tick)
        first_pts = self.start_pts + floor(numbers[0] * self.frame_ticks + rounding)
        found = self.times.following(first_pts, max(numbers) - numbers[0] + 1)
        return [found[number - numbers[0]] for number in numbers]


def _check_clock(media: Media, stamps: Sequence[int]) -> None:
    """Where the clock leaps, or runs backwards, decoders set it anew."""
    assert media.video.time_base is not None
    stays = [later - earlier for earlier, later in pairwise(stamps)]
    if stays and (min(stays) <= 0 or max(stays) * media.video.time_base > LEAP_SECONDS):
        raise UnsureStructureError("the clock leaps")

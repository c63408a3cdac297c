"""Presentation times of a video's frames, from as few packets as possible and without decoding.

In: an open media file. Out: `FrameTimes`, with the start and end of the video and, for clips without a frame rate of
their own, sequences of consecutive frames. Times are in ticks of the stream.

Headers are not relied upon. For a long video in a container with an index, its first and last group of pictures give
start and end; other videos are read once. Frame sequences are exact with one exception: in a sequence of more than a
minute that is in Matroska, whose index does not count frames, or that is a part of a video, the first frame of a view
is located by its time at the average rate. The frames after it are consecutive.

Ambiguous timestamps or syntax raise `UnsureStructureError`; the caller then decodes every frame.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from math import floor
from typing import Protocol

from extractors.clips.frame_index import FrameIndex
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import JUMP_SECONDS, declared_end
from extractors.video.groups import Group, read_groups
from extractors.video.media import Media, ReadsAhead, Source
from extractors.video.packets import PacketReader
from extractors.video.probe import header_duration
from extractors.video.seek import NEARBY_SECONDS, can_seek, groups_at
from extractors.video.selective_decode import check_origin, first_pts

LISTED_SECONDS = 60  # up to this length, reading all packets is the fastest
ROUNDING_SECONDS = Fraction(1, 500)


class FrameSequence(Protocol):
    """Consecutive frames of a video."""

    @property
    def count(self) -> Fraction:
        """The number of frames."""

    def timestamps(self, positions: Sequence[Fraction]) -> list[int]:
        """The timestamps of the frames at `positions`, the first of which is the lowest."""


class FrameTimes(Protocol):
    """The presentation times of a video."""

    @property
    def origin(self) -> int:
        """Timestamp of the first frame, in ticks."""

    @property
    def end_pts(self) -> int:
        """End of the last frame, in ticks."""

    @property
    def end_byte(self) -> int:
        """Where the last packet ends in the file; 0 if that is not known."""

    def shows(self, start_pts: int, end_pts: int) -> bool:
        """Whether an intact frame is on screen at some time between the two."""

    def sequence(self, start_pts: int, end_pts: int) -> FrameSequence:
        """The frames from the one on screen at `start_pts` to the last one before `end_pts`."""


def rounding_ticks(tick: Fraction) -> Fraction:
    """The tolerance for timestamps that were rounded up, in ticks."""
    return min(Fraction(1), ROUNDING_SECONDS / tick)


def frame_times(media: Media, source: Source) -> FrameTimes:
    """The frame times of `media`, opened from `source` and not yet read; moves the container's position."""
    duration = header_duration(media)
    if can_seek(media) and duration is not None and duration > LISTED_SECONDS:
        return IndexedTimes(media, source)
    if isinstance(source, ReadsAhead):
        source.expect_all()
    return list_times(media)


@dataclass(frozen=True)
class ListedTimes:
    """The timestamps of all frames, in order."""

    frames: Sequence[int]
    end_pts: int
    end_byte: int = 0

    @property
    def origin(self) -> int:
        """Timestamp of the first frame, in ticks."""
        return self.frames[0]

    def shows(self, start_pts: int, end_pts: int) -> bool:
        """Whether an intact frame is on screen at some time between the two: without damage, always."""
        return start_pts < self.end_pts and end_pts > self.origin

    def sequence(self, start_pts: int, end_pts: int) -> FrameSequence:
        """The frames from the one on screen at `start_pts` to the last one before `end_pts`."""
        first = max(bisect_right(self.frames, start_pts) - 1, 0)
        return _ListedSequence(self.frames[first : max(bisect_left(self.frames, end_pts), first + 1)])


def list_times(media: Media) -> ListedTimes:
    """The timestamps of all frames of `media`, from its remaining packets."""
    frames = array("q")
    end_pts = 0
    packets = PacketReader(media, is_strict=True)
    for group, _ in read_groups(media, packets):
        if not frames:
            first_pts(group)
            check_origin(media.video.codec_context, group)
        shown = group.shown()
        frames.extend(frame.pts for frame in shown)
        end_pts = max([end_pts, *(frame.end_pts for frame in shown)])
    if not frames:
        raise UnsureStructureError("the stream shows no frame")
    _check_timestamps(media, frames)
    return ListedTimes(frames, end_pts, packets.end_byte)


class IndexedTimes:
    """The times of a long video in a container with an index: start and end at once, the rest on demand.

    Sequences that follow one another closely are read in one pass.
    """

    def __init__(self, media: Media, source: Source) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._media = media
        self.tick = stream.time_base
        self._packets = PacketReader(media, is_strict=True)
        opening = next(read_groups(media, self._packets), None)
        if opening is None:
            raise UnsureStructureError("the stream has no packet")
        self.origin = first_pts(opening[0])
        check_origin(stream.codec_context, opening[0])
        self._index = FrameIndex.of(media)
        self._run: _Run | None = None
        declared = declared_end(media, source)
        target_pts = self.origin if declared is None else int(declared.end_seconds / self.tick)
        shown = [frame for group in self._groups_at(target_pts) for frame in group.shown()]
        _check_timestamps(media, [frame.pts for frame in shown])
        self.end_pts = max([self.origin + 1, *(frame.end_pts for frame in shown)])
        self.end_byte = self._packets.end_byte

    def shows(self, start_pts: int, end_pts: int) -> bool:
        """Whether an intact frame is on screen at some time between the two: without damage, always."""
        return start_pts < self.end_pts and end_pts > self.origin

    def sequence(self, start_pts: int, end_pts: int) -> FrameSequence:
        """The frames from the one on screen at `start_pts` to the last one before `end_pts`."""
        if self._index is not None and start_pts <= self.origin and end_pts >= self.end_pts:
            return _IndexedSequence(self, self._index)
        if (end_pts - start_pts) * self.tick <= LISTED_SECONDS:
            return self._listed(start_pts, end_pts)
        rate = self._media.video.average_rate
        if not rate:
            raise UnsureStructureError("the container has no average frame rate")
        count = max(round((end_pts - start_pts) * self.tick * rate), 1)
        return _EstimatedSequence(self, start_pts, Fraction(count), 1 / (rate * self.tick))

    def timestamps_at(self, start_pts: int, count: int) -> list[int]:
        """The timestamps of `count` frames from the one on screen at `start_pts` on."""
        run = self._run_at(start_pts)
        # One more than asked for, since the last frame read may be before `start_pts`.
        while len(run.frames) - run.number_at(start_pts) <= count and run.read_on():
            pass
        first = run.number_at(start_pts)
        if len(run.frames) - first < count:
            raise UnsureStructureError("there are fewer frames than the average rate implies")
        return run.frames[first : first + count].tolist()

    def timestamps_of(self, first: int, stop: int, index: FrameIndex) -> list[int]:
        """The timestamps of frames `first` to `stop` (exclusive) of the video."""
        timestamps: list[int] = []
        number: int | None = None  # of the first frame read
        for group in self._groups_at(max(index.earliest_pts(first), self.origin)):
            if number is None:
                number = index.number_of(group)
            if not all(frame.shown or (index.hidden and frame.packet.is_discard) for frame in group.frames):
                raise UnsureStructureError("the index counts packets that are not shown")
            timestamps += [frame.pts for frame in group.shown()]
            if number + len(timestamps) >= stop:
                break
        if number is None or number > first or number + len(timestamps) < stop:
            raise UnsureStructureError("the index disagrees with the frames of the stream")
        return timestamps[first - number : stop - number]

    def _listed(self, start_pts: int, end_pts: int) -> FrameSequence:
        run = self._run_at(start_pts)
        while not (run.frames and run.frames[-1] >= end_pts) and run.read_on():
            pass
        return ListedTimes(run.frames, self.end_pts).sequence(start_pts, end_pts)

    def _run_at(self, start_pts: int) -> _Run:
        if self._run is None or not self._run.is_near(start_pts, NEARBY_SECONDS / self.tick):
            self._run = _Run(self._groups_at(start_pts))
        return self._run

    def _groups_at(self, target_pts: int) -> Iterator[Group]:
        def read() -> PacketReader:
            self._packets = PacketReader(self._media, is_strict=True)
            return self._packets

        self._run = None  # the container is about to be moved
        return (group for group, _ in groups_at(self._media, read, target_pts, Fraction(0)))


class _Run:
    """Consecutive frames of a video, from the first of `groups` on, as far as they were read: their timestamps."""

    def __init__(self, groups: Iterator[Group]) -> None:
        opening = next(groups)
        self._first_pts = opening.frames[0].pts
        self._groups = chain([opening], groups)
        self.frames = array("q")
        self.read_on()

    def read_on(self) -> bool:
        """Read a further group; False if there is none."""
        group = next(self._groups, None)
        if group is None:
            return False
        self.frames.extend(frame.pts for frame in group.shown())
        return True

    def is_near(self, pts: int, distance: Fraction) -> bool:
        """Whether the frame on screen at `pts` was read, or is up to `distance` ticks ahead."""
        return bool(self.frames) and self._first_pts <= pts <= self.frames[-1] + distance

    def number_at(self, pts: int) -> int:
        """The number of the frame on screen at `pts`."""
        return max(bisect_right(self.frames, pts) - 1, 0)


@dataclass(frozen=True)
class _ListedSequence:
    """Frames whose timestamps were all read."""

    frames: Sequence[int]

    @property
    def count(self) -> Fraction:
        return Fraction(len(self.frames))

    def timestamps(self, positions: Sequence[Fraction]) -> list[int]:
        return [self.frames[floor(position)] for position in positions]


@dataclass(frozen=True)
class _IndexedSequence:
    """All frames of a video, located by the index."""

    times: IndexedTimes
    index: FrameIndex

    @property
    def count(self) -> Fraction:
        return Fraction(self.index.count)

    def timestamps(self, positions: Sequence[Fraction]) -> list[int]:
        numbers = [floor(position) for position in positions]
        found = self.times.timestamps_of(numbers[0], max(numbers) + 1, self.index)
        return [found[number - numbers[0]] for number in numbers]


@dataclass(frozen=True)
class _EstimatedSequence:
    """Frames of which the first of a view is located by its time at the average rate."""

    times: IndexedTimes
    start_pts: int
    count: Fraction
    frame_ticks: Fraction

    def timestamps(self, positions: Sequence[Fraction]) -> list[int]:
        numbers = [floor(position) for position in positions]
        rounding = rounding_ticks(self.times.tick)
        first_pts = self.start_pts + floor(numbers[0] * self.frame_ticks + rounding)
        found = self.times.timestamps_at(first_pts, max(numbers) - numbers[0] + 1)
        return [found[number - numbers[0]] for number in numbers]


def _check_timestamps(media: Media, timestamps: Sequence[int]) -> None:
    """Raise where timestamps jump or run backwards: decoding repairs them."""
    assert media.video.time_base is not None
    longest = JUMP_SECONDS / media.video.time_base
    if any(not 0 < later - earlier <= longest for earlier, later in pairwise(timestamps)):
        raise UnsureStructureError("the timestamps jump")

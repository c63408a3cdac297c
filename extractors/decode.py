"""Video → frames on the time grid: for k = 0, 1, 2, … the frame on screen k / fps seconds after the first frame.

Selective decoding gives the same frames, to the bit, for a fraction of the work. The packets of a group of pictures are
read before any of them is decoded; their timestamps say which frames will be seen at a grid point, their syntax which
of the others those depend on. Packets that no seen frame depends on never reach the decoder:

    packets ─► groups ─► which are seen? ─► needed packets ─► decoder ─► RGB of the seen ones ─► samples

Every frame that was expected must come out, in order and undamaged. If one does not, or if timestamps or syntax leave
any doubt, the video is decoded whole from its start and the samples already handed out are passed over. Then, grid
points whose picture is lost or damaged have no sample (`extractors.coverage`).
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise

import av.error
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from extractors.bitstream import UnsureStructureError
from extractors.coverage import LEAP_SECONDS, Extent, Promise, promised_end
from extractors.full_decode import FullDecode
from extractors.grid import Grid, as_fps, index_range
from extractors.groups import CodedFrame, Group, read_groups
from extractors.image import RgbConverter
from extractors.media import MAX_PIXELS, Media, Source, open_media
from extractors.packets import PacketReader
from extractors.seek import can_seek, groups_at
from extractors.sound import PREROLL_SECONDS, Sound
from schemas.outcomes import FailureCode, VideoError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """What is on screen at one grid point.

    index    k, counted from the first frame of the video
    seconds  k / fps
    pts      timestamp of the frame, in the stream's time base
    image    (H, W, 3) uint8 RGB; the same object for all points at which the same frame is seen
    """

    index: int
    seconds: Fraction
    pts: int
    image: NDArray[np.uint8]


def sample_frames(
    source: Source,
    fps: int | float | str | Fraction = 1,
    selective: bool = True,
    *,
    start_seconds: int | Fraction = 0,
    end_seconds: int | Fraction | None = None,
    sound: Sound | None = None,
    extent: Extent | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Sample]:
    """Yield the samples at the grid points in [`start_seconds`, `end_seconds`), decoding as little as that takes.

    `source` is a path or a seekable binary file object. `selective=False` decodes every frame, to the same samples.
    `sound` collects the waveform in the same pass, `extent` learns which samples there should be. Raises
    `VideoError` for a file that has no frame to show.
    """
    rate = as_fps(fps)
    with open_media(source, max_pixels=max_pixels) as media:
        sampler = Sampler(media, source, rate, selective, sound, extent or Extent(), max_pixels)
        yield from sampler.samples(Fraction(start_seconds), None if end_seconds is None else Fraction(end_seconds))


@dataclass(frozen=True)
class Sampler:
    """Samples one freshly opened video; `media` must be `source`, opened. See `sample_frames`."""

    media: Media
    source: Source
    fps: Fraction
    selective: bool = True
    sound: Sound | None = None
    extent: Extent = field(default_factory=Extent)
    max_pixels: int = MAX_PIXELS

    def samples(self, start_seconds: Fraction, end_seconds: Fraction | None) -> Iterator[Sample]:
        """The samples at the grid points in [`start_seconds`, `end_seconds`); call it once."""
        first, stop = index_range(self.fps, start_seconds, end_seconds)
        promise = promised_end(self.media, self.source)
        wanted = _Wanted(self.fps, first, stop, self.sound, self.extent, promise, self.max_pixels)
        if not self.selective:
            yield from _decode_whole(self.media, wanted)
            return
        done = first
        try:
            for sample in _Selective(self.media, wanted).samples():
                yield sample
                done = sample.index + 1
            return
        except (UnsureStructureError, av.error.FFmpegError, IndexError, OverflowError) as doubt:
            logger.debug("decoding every frame: %s", doubt)
        if hasattr(self.source, "seek"):
            self.source.seek(0)
        if self.sound is not None:
            self.sound.reset()
        with open_media(self.source, max_pixels=self.max_pixels) as media:
            for sample in _decode_whole(media, wanted):
                if sample.index >= done:
                    yield sample


@dataclass(frozen=True)
class _Wanted:
    """Which grid points are wanted of a video, and who else learns from the pass over it."""

    fps: Fraction
    first: int
    stop: int | None
    sound: Sound | None
    extent: Extent
    promise: Promise | None
    max_pixels: int

    def place(self, media: Media, origin: int) -> Grid:
        """The grid of a video whose first frame has the timestamp `origin`."""
        assert media.video.time_base is not None
        grid = Grid(self.fps, media.video.time_base, origin, self.first, self.stop)
        if self.sound is not None:
            self.sound.place(grid)
        return grid

    def promised_pts(self, media: Media) -> int | None:
        """When the pictures end by the header, in ticks."""
        assert media.video.time_base is not None
        return None if self.promise is None else math.ceil(self.promise.end_seconds / media.video.time_base)

    def finish(self, grid: Grid, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int) -> None:
        """The pictures are through: hear the rest of the sound, and settle the extent."""
        if self.sound is not None:
            self.sound.finish(packets)
        self.extent.settle(
            grid,
            is_exhausted=is_exhausted,
            end_pts=end_pts,
            head_pts=head_pts,
            sound_seconds=packets.sound_seconds,
            promise=self.promise,
        )


def _decode_whole(media: Media, wanted: _Wanted) -> Iterator[Sample]:
    to_rgb = RgbConverter()
    packets = PacketReader(media, wanted.sound)
    decode = FullDecode(media, packets, wanted.promised_pts(media))
    grid: Grid | None = None
    is_exhausted = True
    for frame, pts, end_pts in decode.frames():
        if grid is None:
            grid = wanted.place(media, pts)
        points = grid.points(pts, end_pts)
        if points:
            image = to_rgb(frame)
            for index in points:
                yield Sample(index, grid.seconds(index), pts, image)
        if grid.is_over(end_pts):
            is_exhausted = False
            break
    if grid is None:
        if not media.video.codec_context.width:
            message = (
                "its pictures have no size that may be decoded: they are damaged, or have more than "
                f"{wanted.max_pixels} pixels (raise it with --max-pixels if the file is genuine)"
            )
            raise VideoError(FailureCode.ABSURD_DIMENSIONS, message)
        message = (
            "its video stream holds no frame that can be decoded: the file is damaged, or its beginning is missing"
        )
        raise VideoError(FailureCode.NO_DECODABLE_FRAME, message)
    head_pts = grid.origin if decode.head_pts is None else decode.head_pts
    wanted.finish(grid, packets, is_exhausted=is_exhausted, end_pts=decode.end_pts, head_pts=head_pts)


class _Selective:
    """One selective pass over one stream."""

    def __init__(self, media: Media, wanted: _Wanted) -> None:
        assert media.video.time_base is not None
        self._media = media
        self._wanted = wanted
        self._leap_ticks = int(LEAP_SECONDS / media.video.time_base)
        self._promised_pts = wanted.promised_pts(media)
        self._decoder = media.video.codec_context
        self._decoder.copy_opaque = True  # a frame then carries its packet's number
        self._to_rgb = RgbConverter()
        self._expected: deque[tuple[CodedFrame, range]] = deque()
        # Whether the decoder holds every picture that the next packet may refer to.
        self._is_intact = True

    def samples(self) -> Iterator[Sample]:
        """The samples in order; raises `UnsureStructureError` as soon as they cannot be guaranteed."""
        groups = read_groups(self._media, self._read())
        opening = next(groups, None)
        if opening is None:
            raise UnsureStructureError("the stream holds no packet")
        grid = self._place_grid(opening[0])
        groups = chain([opening], groups)
        if grid.first and can_seek(self._media):
            self._check_origin(opening[0])
            preroll_seconds = Fraction(0) if self._wanted.sound is None else PREROLL_SECONDS
            groups = groups_at(self._media, self._read, grid.pts(grid.first), preroll_seconds)
        end_pts = grid.origin
        is_exhausted = True
        for group, following in groups:
            yield from self._decode_group(grid, group, following)
            end_pts = max([end_pts, *(frame.end_pts for frame in group.frames if frame.shown)])
            if following is not None and grid.is_over(following.shown()[0].pts):
                is_exhausted = False
                break
        yield from self._drain(grid)
        self._wanted.finish(grid, self._packets, is_exhausted=is_exhausted, end_pts=end_pts, head_pts=grid.origin)

    def _read(self) -> Iterator[Packet[VideoStream]]:
        """Start reading packets from wherever the container is."""
        self._packets = PacketReader(self._media, self._wanted.sound, is_strict=True)
        return self._packets

    def _place_grid(self, opening: Group) -> Grid:
        shown = opening.shown()
        if not shown:
            raise UnsureStructureError("the first group shows nothing")
        return self._wanted.place(self._media, shown[0].pts)

    def _check_origin(self, opening: Group) -> None:
        """A segment that starts later still counts from the first frame, so that frame must really come out first."""
        for frame in opening.frames:
            frame.packet.opaque = frame.number
            decoded = self._decoder.decode(frame.packet)
            if decoded:
                break
        else:
            decoded = self._decoder.decode(None)
        self._decoder.flush_buffers()
        if not decoded or decoded[0].opaque != opening.shown()[0].number:
            raise UnsureStructureError("the first frame is not the one that its timestamps promise")

    def _decode_group(self, grid: Grid, group: Group, following: Group | None) -> Iterator[Sample]:
        seen = self._seen(grid, group, following)
        if not self._is_intact:
            if not group.starts_afresh or any(frame.picture.needs_previous for frame, _ in seen):
                raise UnsureStructureError("a group refers to pictures that were passed over")
            yield from self._drain(grid)
            sendable = [frame for frame in group.frames if not frame.picture.needs_previous]
            self._is_intact = True
        else:
            sendable = group.frames
        wanted = {frame.number for frame, _ in seen}
        self._expected.extend(seen)
        last = max(wanted, default=-1)
        if following is not None and _is_continued(grid, following):
            last = group.frames[-1].number
        for frame in sendable:
            picture = frame.picture
            is_needed = frame.number in wanted or (frame.number <= last and not picture.disposable)
            if is_needed or picture.has_parameters:
                frame.packet.opaque = frame.number
                yield from self._deliver(grid, self._decoder.decode(frame.packet))
            elif not picture.disposable:
                self._is_intact = False

    def _seen(self, grid: Grid, group: Group, following: Group | None) -> list[tuple[CodedFrame, range]]:
        """The frames of `group` that are on screen at a grid point, in order, with those points."""
        shown = group.shown()
        if not shown:
            return []
        takeover = following.shown()[0].pts if following is not None else shown[-1].end_pts
        ends = [frame.pts for frame in shown[1:]] + [takeover]
        stays = [end - frame.pts for frame, end in zip(shown, ends, strict=True)]
        if min(stays) <= 0:
            raise UnsureStructureError("frames that are shown at the same time, or groups that overlap")
        if max(stays) > self._leap_ticks and (self._promised_pts is None or takeover > self._promised_pts):
            raise UnsureStructureError("the clock leaps")
        seen = ((frame, grid.points(frame.pts, end)) for frame, end in zip(shown, ends, strict=True))
        return [(frame, points) for frame, points in seen if points]

    def _drain(self, grid: Grid) -> Iterator[Sample]:
        """Get the last frames out of the decoder, and leave it as if nothing had been decoded."""
        yield from self._deliver(grid, self._decoder.decode(None))
        self._decoder.flush_buffers()
        if self._expected:
            raise UnsureStructureError(f"{len(self._expected)} expected frames did not come out")

    def _deliver(self, grid: Grid, frames: Iterable[VideoFrame]) -> Iterator[Sample]:
        for frame in frames:
            if not self._expected:
                return
            coded, points = self._expected[0]
            if frame.opaque != coded.number:
                if any(frame.opaque == later.number for later, _ in self._expected):
                    raise UnsureStructureError(f"packet {coded.number} did not give the frame it promised")
                continue
            if frame.is_corrupt or frame.pts != coded.pts:
                raise UnsureStructureError(f"packet {coded.number} gave a damaged or a displaced frame")
            self._expected.popleft()
            image = self._to_rgb(frame)
            for index in points:
                yield Sample(index, grid.seconds(index), coded.pts, image)


def _is_continued(grid: Grid, following: Group) -> bool:
    """Whether decoding `following` will need the whole of the group before it."""
    if not following.starts_afresh:
        return True
    head = following.frames[0]
    leading = [frame for frame in following.shown() if frame.pts <= head.pts]
    return any(
        earlier.picture.needs_previous and grid.points(earlier.pts, later.pts) for earlier, later in pairwise(leading)
    )

"""Sampling of a video on the time grid: for k = 0, 1, 2, … the frame on screen k / fps seconds after the first frame.

In: a path or a seekable binary file object. Out: `Sample`s with uint8 (H, W, 3) RGB frames, in order.

Videos are decoded selectively (`extractors.video.selective_decode`). Where timestamps or syntax are ambiguous, every
frame is decoded from the start, and samples already yielded are skipped; grid points whose frame is lost or damaged
then have no sample (`extractors.video.coverage`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av.error

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import Extent, declared_end
from extractors.video.full_decode import FullDecode, no_frame_error
from extractors.video.grid import Grid, as_fps, index_range
from extractors.video.image import RgbConverter
from extractors.video.joined import has_unread_part, open_joined
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.packets import PacketReader
from extractors.video.samples import GridRequest, Sample
from extractors.video.selective_decode import SelectiveDecode
from extractors.video.waveform import Waveform

logger = logging.getLogger(__name__)


def sample_frames(
    source: Source,
    fps: int | float | str | Fraction = 1,
    selective: bool = True,
    *,
    start_seconds: int | Fraction = 0,
    end_seconds: int | Fraction | None = None,
    waveform: Waveform | None = None,
    extent: Extent | None = None,
    max_pixels: int = MAX_PIXELS,
    key_frames: bool = False,
) -> Iterator[Sample]:
    """Yield the samples at the grid points in [`start_seconds`, `end_seconds`).

    source      a path or a seekable binary file object
    selective   False decodes every frame, to the same samples
    waveform    receives the audio in the same pass
    extent      receives the range of grid points that the segment should have
    key_frames  an approximation: the first frame of each group of pictures stands for all of the group

    Raises:
        VideoError: for a file without a decodable frame.
    """
    rate = as_fps(fps)
    with open_media(source, max_pixels=max_pixels) as media:
        sampler = Sampler(media, source, rate, selective, waveform, extent or Extent(), max_pixels, key_frames)
        yield from sampler.samples(Fraction(start_seconds), None if end_seconds is None else Fraction(end_seconds))


@dataclass(frozen=True)
class Sampler:
    """`sample_frames` for an open video: `media` is `source`, opened and not yet read."""

    media: Media
    source: Source
    fps: Fraction
    selective: bool = True
    waveform: Waveform | None = None
    extent: Extent = field(default_factory=Extent)
    max_pixels: int = MAX_PIXELS
    key_frames: bool = False

    def samples(self, start_seconds: Fraction, end_seconds: Fraction | None) -> Iterator[Sample]:
        """The samples at the grid points in [`start_seconds`, `end_seconds`); call it once."""
        first, stop = index_range(self.fps, start_seconds, end_seconds)
        end = declared_end(self.media, self.source)
        request = GridRequest(self.fps, first, stop, self.waveform, self.extent, end, self.max_pixels)
        done = first
        for sample in self._passes(request):
            if self.waveform is not None:
                self.waveform.reach(sample.index)
            if sample.index >= done:
                yield sample
                done = sample.index + 1
        if self.waveform is not None and self.waveform.is_misplaced:
            logger.debug("reading the sound again: its timestamps drift")
            self.waveform.repeat()
            _read_sound(self.source, request, self.waveform)

    def _passes(self, request: GridRequest) -> Iterator[Sample]:
        """The samples of a selective pass, then all those of a full one if that fails."""
        if self.selective:
            try:
                decode = SelectiveDecode(self.media, request, key_frames=self.key_frames)
                yield from decode.samples()
                if not has_unread_part(self.media, self.source, decode.end_byte):
                    return
                logger.debug("decoding every frame: a further file follows")
            except (UnsureStructureError, av.error.FFmpegError, IndexError, OverflowError) as error:
                logger.debug("decoding every frame: %s", error)
            if self.waveform is not None:
                self.waveform.reset()
        with open_joined(self.source, max_pixels=request.max_pixels) as media:
            yield from _decode_every_frame(media, request)


def _read_sound(source: Source, request: GridRequest, waveform: Waveform) -> None:
    with open_joined(source, max_pixels=request.max_pixels) as media:
        waveform.finish(PacketReader(media, waveform, declared_end_pts=request.declared_end_pts(media)))


def _decode_every_frame(media: Media, request: GridRequest) -> Iterator[Sample]:
    to_rgb = RgbConverter(media.crop)
    declared_end_pts = request.declared_end_pts(media)
    packets = PacketReader(media, request.waveform, declared_end_pts=declared_end_pts)
    decode = FullDecode(media, packets, declared_end_pts)
    grid: Grid | None = None
    is_exhausted = True
    for frame, pts, end_pts in decode.frames():
        to_rgb.follow(frame)
        if grid is None:
            grid = request.place(media, pts)
        points = grid.points(pts, end_pts)
        if points:
            image = to_rgb(frame)
            for index in points:
                yield Sample(index, grid.seconds(index), pts, image)
        if grid.is_over(end_pts):
            is_exhausted = False
            break
    if grid is None:
        raise no_frame_error(media, request.max_pixels)
    head_pts = grid.origin if decode.head_pts is None else decode.head_pts
    request.finish(grid, packets, is_exhausted=is_exhausted, end_pts=decode.end_pts, head_pts=head_pts)

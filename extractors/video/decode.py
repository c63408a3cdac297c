"""Video → frames on the time grid: for k = 0, 1, 2, … the frame on screen k / fps seconds after the first frame.

Videos are decoded selectively (`extractors.video.selective_decode`) or, where timestamps or syntax leave any doubt,
whole from their start; the samples already handed out are then passed over. There, grid points whose picture is lost or
damaged have no sample (`extractors.video.coverage`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av.error

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import Extent, promised_end
from extractors.video.full_decode import FullDecode, nothing_decoded
from extractors.video.grid import Grid, as_fps, index_range
from extractors.video.image import RgbConverter
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.packets import PacketReader
from extractors.video.samples import GridRequest, Sample
from extractors.video.selective_decode import SelectiveDecode
from extractors.video.sound import Sound

logger = logging.getLogger(__name__)


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
    key_frames: bool = False,
) -> Iterator[Sample]:
    """Yield the samples at the grid points in [`start_seconds`, `end_seconds`), decoding as little as that takes.

    `source` is a path or a seekable binary file object. `selective=False` decodes every frame, to the same samples.
    `sound` collects the waveform in the same pass, `extent` learns which samples there should be. `key_frames` is an
    approximation: the picture that its group starts with stands for the frame that is wanted. Raises `VideoError` for a
    file that has no frame to show.
    """
    rate = as_fps(fps)
    with open_media(source, max_pixels=max_pixels) as media:
        sampler = Sampler(media, source, rate, selective, sound, extent or Extent(), max_pixels, key_frames)
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
    key_frames: bool = False

    def samples(self, start_seconds: Fraction, end_seconds: Fraction | None) -> Iterator[Sample]:
        """The samples at the grid points in [`start_seconds`, `end_seconds`); call it once."""
        first, stop = index_range(self.fps, start_seconds, end_seconds)
        promise = promised_end(self.media, self.source)
        wanted = GridRequest(self.fps, first, stop, self.sound, self.extent, promise, self.max_pixels)
        if not self.selective:
            yield from _decode_whole(self.media, wanted)
            return
        done = first
        try:
            for sample in SelectiveDecode(self.media, wanted, key_frames=self.key_frames).samples():
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


def _decode_whole(media: Media, wanted: GridRequest) -> Iterator[Sample]:
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
        raise nothing_decoded(media, wanted.max_pixels)
    head_pts = grid.origin if decode.head_pts is None else decode.head_pts
    wanted.finish(grid, packets, is_exhausted=is_exhausted, end_pts=decode.end_pts, head_pts=head_pts)

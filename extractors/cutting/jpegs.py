"""The frames of clips as JPEGs, for records that training reads.

In: a path, its `FrameList`, and spans. Out: for each span its frames in order, upright and scaled down, or the
`CutError` that is the reason why there are none. A clip's JPEGs are in memory together, as they are in its record, and
those of other clips only while these are open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from av.video.frame import VideoFrame
from typing_extensions import override

from extractors.clips.crops import resized
from extractors.cutting.frame_list import FrameList
from extractors.cutting.sound_track import SoundReader
from extractors.cutting.span import CutError, Span
from extractors.cutting.span_pass import SpanFrames, span_frames
from extractors.video.image import RgbConverter
from extractors.video.jpeg import encode_jpegs
from extractors.video.media import MAX_PIXELS, Media

MAX_BYTES = 128 << 20  # of a clip: what readers of records take


@dataclass(frozen=True)
class JpegClip:
    """The frames of a span as JPEGs of one size."""

    span: Span
    jpegs: tuple[bytes, ...]
    height: int
    width: int


def jpeg_clips(
    path: Path, frames: FrameList, spans: Sequence[Span], short_side: int, *, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[Span, JpegClip | CutError]]:
    """The outcome of each span as it closes; a shorter side above `short_side` is scaled down to it.

    Raises `VideoError` where the video cannot be opened any more.
    """

    def make(span: Span, media: Media, reader: SoundReader | None) -> _Jpegs:
        return _Jpegs(span, media, short_side)

    for made in span_frames(path, frames, spans, make, with_sound=False, max_pixels=max_pixels):
        assert isinstance(made, _Jpegs)
        yield made.span, made.outcome()


class _Jpegs(SpanFrames):
    """The JPEGs of one span so far."""

    def __init__(self, span: Span, media: Media, short_side: int) -> None:
        super().__init__(span)
        self._to_rgb = RgbConverter(media.crop)
        self._short_side = short_side
        self._size: tuple[int, int] | None = None  # height and width
        self._jpegs: list[bytes] = []
        self._bytes = 0

    def outcome(self) -> JpegClip | CutError:
        """The clip, or the reason why there is none."""
        if self.problem or self._size is None:
            return CutError(self.problem)
        return JpegClip(self.span, tuple(self._jpegs), *self._size)

    @override
    def see(self, frame: VideoFrame, pts: int) -> None:
        self._to_rgb.follow(frame)
        super().see(frame, pts)

    @override
    def _take(self, frame: VideoFrame, pts: int, duration: int) -> None:
        image = self._to_rgb(frame)
        if self._size is None and min(image.shape[:2]) > self._short_side:
            image = resized(image, (self._short_side,))
        elif self._size is not None:
            image = resized(image, self._size)  # of the first frame, where it changes
        self._size = image.shape[0], image.shape[1]
        self._jpegs += encode_jpegs(image[None])
        self._bytes += len(self._jpegs[-1])
        if self._bytes > MAX_BYTES:
            self._jpegs.clear()
            raise ValueError(f"its frames take more than {MAX_BYTES >> 20} MiB: lower --record-size")

    @override
    def _finish(self) -> None:
        pass

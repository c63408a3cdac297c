"""The pictures of a clip as H.264 in an MP4: timestamps, colours, pixel shape and orientation are the source's.

In: decoded frames, and their times after the start of the clip in ticks. Out: packets in the container. The pixel
format is kept where the encoder has it; others become 4:2:0 of 8 or 10 bits. Frames of an odd size are coded in 4:4:4,
since 4:2:0 has none. Where the size of the frames changes, they are scaled to that of the first.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from extractors.video.cropping import Crop
from extractors.video.image import DisplayMatrix

CODEC: Final = "libx264"
DEFAULT_CRF = 17
# On CPUs with AVX-512, x264's macroblock tree does not give the same bits each time.
X264_PARAMS = "mbtree=0"
FORMATS = frozenset(
    {
        *("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv16", "gray", "gray10le"),
        *("yuv420p10le", "yuv422p10le", "yuv444p10le"),
    }
)
SUBSAMPLED = {
    **dict.fromkeys(("yuv420p", "yuv422p", "nv12", "nv16"), "yuv444p"),
    **dict.fromkeys(("yuvj420p", "yuvj422p"), "yuvj444p"),
    **dict.fromkeys(("yuv420p10le", "yuv422p10le"), "yuv444p10le"),
}
ONE = 1 << 16  # in 16.16 fixed point


class VideoTrack:
    """Encodes frames into `container`; the first one decides about format and size.

    tick    seconds per unit of the timestamps
    rate    frames per second on average, which the rate control of the encoder counts with
    aspect  width of a pixel by its height; None or 0 where unknown
    crop    edges of the decoded frames that are not shown
    matrix  the orientation in which frames are shown
    crf     constant rate factor: 0 is lossless, 17 looks the same as the source
    """

    def __init__(
        self,
        container: OutputContainer,
        first: VideoFrame,
        *,
        tick: Fraction,
        rate: Fraction,
        aspect: Fraction | None,
        crop: Crop | None,
        matrix: DisplayMatrix | None,
        crf: int,
    ) -> None:
        self.notes: list[str] = []
        self.frames = 0
        self._container, self._tick, self._crop = container, tick, crop
        self._durations: dict[int, int] = {}  # of the frames in the encoder, by timestamp
        self._reformatter = VideoReformatter()
        self._format = _format_of(first, crop)
        first = self._prepared(first)
        options = {"crf": str(crf), "preset": "fast", "x264-params": X264_PARAMS}
        self._stream = container.add_stream(CODEC, rate=rate.limit_denominator(1 << 16), options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = first.width, first.height, self._format
        if matrix is not None:
            self._stream.set_display_matrix(_with_units(matrix))
        context = self._stream.codec_context
        context.time_base = tick
        context.max_b_frames = 0  # MP4 stores distances of decoding times: so they are those of the frames
        context.thread_count = 1  # one encoder a core; and the same bytes whatever the machine
        context.color_range, context.colorspace = first.color_range, first.colorspace
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        if aspect:
            context.sample_aspect_ratio = aspect

    def add(self, frame: VideoFrame, pts: int, duration: int) -> None:
        """Encode the next frame, which is on screen for `duration` ticks from `pts` on."""
        frame = self._prepared(frame)
        frame.pts, frame.time_base, frame.pict_type = pts, self._tick, PictureType.NONE
        self._durations[pts] = duration
        self.frames += 1
        self._mux(frame)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, 0)
            self._container.mux(packet)

    def _prepared(self, frame: VideoFrame) -> VideoFrame:
        """A frame of the format and size of the track, with the metadata of the source."""
        if self._crop is not None:
            frame = _cropped(frame, self._crop, self._format)
        size = (frame.width, frame.height) if not self.frames else (self._stream.width, self._stream.height)
        if frame.format.name == self._format and (frame.width, frame.height) == size:
            return frame
        if (frame.width, frame.height) != size and not self.notes:
            self.notes.append(f"its frames change size; all have that of the first, {size[0]} x {size[1]}")
        return self._reformatter.reformat(frame, *size, self._format, threads=1)


def _format_of(frame: VideoFrame, crop: Crop | None) -> str:
    name = frame.format.name
    if name not in FORMATS:
        name = "yuv420p10le" if max(component.bits for component in frame.format.components) > 8 else "yuv420p"
    sides = [frame.width, frame.height]
    if crop is not None:
        sides += [crop.left, crop.right, crop.top, crop.bottom]
    return SUBSAMPLED.get(name, name) if any(side % 2 for side in sides) else name


def _cropped(frame: VideoFrame, crop: Crop, pixel_format: str) -> VideoFrame:
    """The part of a frame that is shown, with its metadata."""
    width, height = frame.width - crop.left - crop.right, frame.height - crop.top - crop.bottom
    if width <= 0 or height <= 0:
        return frame
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    to_format = graph.add("format", pixel_format)
    cut = graph.add("crop", f"{width}:{height}:{crop.left}:{crop.top}")
    sink = graph.add("buffersink")
    source.link_to(to_format)
    to_format.link_to(cut)
    cut.link_to(sink)
    graph.configure()
    graph.push(frame)
    shown = graph.pull()
    assert isinstance(shown, VideoFrame)
    return shown


def _with_units(matrix: DisplayMatrix) -> list[int]:
    """A matrix as containers have it: 3 x 3, the last column in 2.30 fixed point, the others in 16.16."""
    unit = ONE if max(map(abs, matrix)) == 1 else 1
    a, b, c, d = (number * unit for number in matrix)
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]

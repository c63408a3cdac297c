"""A clip of JPEGs as an MP4: the way back from records.

In: the JPEGs of a clip, and when each is on screen. Out: H.264 in an MP4, as exact cuts have it (`video_track`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from extractors.cutting.span import CutError, raise_unwritable
from extractors.cutting.video_track import VideoTrack

TICK = Fraction(1, 1_000_000)


def write_jpegs(
    path: Path, jpegs: Sequence[bytes], times: Sequence[int], end: int, *, crf: int, max_pixels: int
) -> None:
    """Write the frames, which begin at `times`; the last one ends at `end`, all in microseconds.

    Raises `CutError` for what is no JPEG, and for a size that cannot be encoded; `VideoError` where the disk takes no
    more.
    """
    rate = Fraction(len(jpegs) * 1_000_000, end - times[0])
    ends = [*times[1:], end]
    track: VideoTrack | None = None
    try:
        with av.open(str(path), "w", format="mp4") as container:
            for frame, start, stop in zip(_decoded(jpegs, max_pixels), times, ends, strict=True):
                if track is None:
                    track = VideoTrack(
                        container, frame, tick=TICK, rate=rate, aspect=None, crop=None, matrix=None, crf=crf
                    )
                track.add(frame, start - times[0], stop - start)
            if track is not None:
                track.finish()
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        path.unlink(missing_ok=True)
        raise_unwritable(error)
        raise CutError(f"its frames cannot be decoded as JPEGs: {error}") from error


def _decoded(jpegs: Sequence[bytes], max_pixels: int) -> Iterator[VideoFrame]:
    """One frame for each JPEG, whatever its size."""
    for jpeg in jpegs:
        decoder = av.CodecContext.create("mjpeg", "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(max_pixels)}
        frames = [*decoder.decode(Packet(jpeg)), *decoder.decode(None)]
        if len(frames) != 1:
            raise ValueError(f"{len(frames)} pictures in one of them")
        yield frames[0]

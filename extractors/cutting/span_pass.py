"""Passes over a video that give each frame to the spans that hold it.

In: a path, its `FrameList`, and spans. Out: one `SpanFrames` for each span, which has taken its frames, or has a
`problem` instead. It is given out as soon as it is closed and not held here, so that memory is that of the spans that
are open at a time.

Spans that are near one another share a pass. With an index (MP4, Matroska), a pass starts at the key frame before its
first span; where a frame is missing after that, once more at the start of the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path

import av.error
from av.video.frame import VideoFrame

from extractors.clips.passes import full_decode
from extractors.cutting.frame_list import FrameList
from extractors.cutting.sound_track import SoundReader
from extractors.cutting.span import Span, raise_unwritable
from extractors.video.image import DisplayMatrix, display_matrix
from extractors.video.joined import open_joined
from extractors.video.media import Media, open_media
from extractors.video.seek import NEARBY_SECONDS, can_seek
from extractors.video.waveform import INTERLEAVING_SECONDS, PREROLL_SECONDS
from schemas.outcomes import VideoError

MAX_OPEN = 4  # spans at a time, whose encoders are the most memory that cutting takes


class SpanFrames(ABC):
    """What is made of the frames of one span.

    problem  why nothing can be made of them; empty for none
    matrix   the orientation of the latest key frame
    """

    def __init__(self, span: Span) -> None:
        self.span = span
        self.problem = ""
        self.matrix: DisplayMatrix | None = None
        self.is_closed = False
        self._count = 0

    @property
    def has_all_sound(self) -> bool:
        """Whether no further audio packet matters."""
        return True

    def see(self, frame: VideoFrame, pts: int) -> None:
        """Take the next frame of the pass, if it is one of the span's."""
        if frame.key_frame:
            self.matrix = display_matrix(frame)
        span, position = self.span, self._count
        if self.is_closed or self.problem or not span.start_pts <= pts < span.end_pts:
            return
        if position == len(span.timestamps) or pts != span.timestamps[position]:
            self.problem = self._missing()
            return
        self._count += 1
        is_last = self._count == len(span.timestamps)
        following = span.end_pts if is_last else span.timestamps[self._count]
        with self._noting_problems():
            self._take(frame, pts - span.start_pts, following - pts)

    def close(self) -> None:
        """Finish, where nothing follows."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._count < len(self.span.timestamps):
            self.problem = self.problem or self._missing()
        with self._noting_problems():
            self._finish()

    @abstractmethod
    def _take(self, frame: VideoFrame, pts: int, duration: int) -> None:
        """Take a frame, its time after the start of the span, and how long it is on screen, in ticks."""

    @abstractmethod
    def _finish(self) -> None:
        """Release what is open, after the last frame or a problem."""

    def _missing(self) -> str:
        return f"frame {self._count} of its {len(self.span.timestamps)} cannot be decoded: the video is damaged there"

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        """An encoder that refuses a clip costs that clip alone; nothing is read from the source here."""
        try:
            yield
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            self.problem = self.problem or f"it cannot be encoded: {error}"
            raise_unwritable(error)


Make = Callable[[Span, Media, SoundReader | None], SpanFrames]


def span_frames(
    path: Path, frames: FrameList, spans: Sequence[Span], make: Make, *, with_sound: bool, max_pixels: int
) -> Iterator[SpanFrames]:
    """What `make` makes of each span, in the order in which passes close them.

    Raises `VideoError` where the video cannot be opened any more, or the disk takes no more.
    """
    for batch in _batches(sorted(spans, key=lambda span: (span.start_pts, span.end_pts)), frames):
        missed = []
        for one in _pass(path, frames, batch, make, with_sound, max_pixels, seeks=frames.is_sure):
            if one.problem and frames.is_sure:
                missed.append(one.span)
            else:
                yield one
        if missed:  # an index may lead to a place from which not every frame can be decoded
            yield from _pass(path, frames, missed, make, with_sound, max_pixels, seeks=False)


def _pass(
    path: Path,
    frames: FrameList,
    spans: Sequence[Span],
    make: Make,
    with_sound: bool,
    max_pixels: int,
    *,
    seeks: bool,
) -> Iterator[SpanFrames]:
    opened = open_media if frames.is_sure else open_joined
    late = INTERLEAVING_SECONDS / frames.tick
    with opened(str(path), max_pixels=max_pixels) as media:
        reader = SoundReader(media.audio) if with_sound and media.audio is not None else None
        left = [make(span, media, reader) for span in spans]
        if seeks and can_seek(media):
            start_pts = spans[0].start_pts - ceil(PREROLL_SECONDS / frames.tick)
            media.container.seek(start_pts, stream=media.video, backward=True)
        try:
            for frame, pts, _ in full_decode(media, str(path), reader).frames():
                for one in left:
                    one.see(frame, pts)
                    if pts >= one.span.end_pts and (one.has_all_sound or pts > one.span.end_pts + late):
                        one.close()
                closed = [one for one in left if one.is_closed]
                left = [one for one in left if not one.is_closed]
                while closed:
                    yield closed.pop(0)
                if not left:
                    break
            for one in left:
                one.close()
        except BaseException:  # which the others, as they close, do not replace
            for one in left:
                one.problem = one.problem or "the pass over its video was broken off"
                with suppress(VideoError):
                    one.close()
            raise
        while left:
            yield left.pop(0)


def _batches(spans: Sequence[Span], frames: FrameList) -> Iterator[list[Span]]:
    """Spans, in the order of their starts, that share a pass: near one another, and few at any time."""
    nearby = NEARBY_SECONDS / frames.tick
    left = list(spans)
    while left:
        batch: list[Span] = []
        others: list[Span] = []
        for span in left:
            is_far = bool(batch) and span.start_pts > max(each.end_pts for each in batch) + nearby
            open_ones = sum(each.end_pts > span.start_pts for each in batch)
            (others if is_far or open_ones >= MAX_OPEN else batch).append(span)
        yield batch
        left = others

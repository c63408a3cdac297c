"""Exact cuts: the frames that begin in a span, encoded anew, with the sound of the same time.

In: a path, its `FrameList`, and spans. Out: for each span an MP4 file, or the `CutError` that is the reason why there
is none. The first frame of a file is at 0, the distances between its frames are the source's, and the last one is on
screen until the end of the span. Pictures are H.264 (`video_track`), sound is AAC (`sound_track`).

Spans that are near one another are cut in one pass. With an index (MP4, Matroska), a pass starts at the key frame
before its first span. A file is right only if every frame of its span was decoded, and if its own timestamps, read back
from the file, are those that it should have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame

from extractors.clips.passes import full_decode
from extractors.cutting.frame_list import FrameList, list_frames
from extractors.cutting.sound_track import SoundReader, SoundTrack
from extractors.cutting.span import CutError, CutFile, Span
from extractors.cutting.video_track import VideoTrack
from extractors.video.image import DisplayMatrix, display_matrix
from extractors.video.joined import open_joined
from extractors.video.media import MAX_PIXELS, Media, open_media
from extractors.video.seek import NEARBY_SECONDS, can_seek
from extractors.video.waveform import INTERLEAVING_SECONDS, PREROLL_SECONDS
from schemas.outcomes import VideoError

SUFFIX = ".mp4"
MAX_OPEN = 4  # encoders at a time, whose memory is the most that cutting takes
DEFAULT_CRF = 17


@dataclass(frozen=True)
class Encoding:
    """How clips are encoded: the constant rate factor of the pictures, and whether sound is kept."""

    crf: int = DEFAULT_CRF
    with_sound: bool = True


def cut_exact(
    path: Path,
    frames: FrameList,
    spans: Sequence[Span],
    encoding: Encoding = Encoding(),  # noqa: B008  frozen
    *,
    max_pixels: int = MAX_PIXELS,
) -> list[CutFile | CutError]:
    """The outcome of each span, in order. Raises `VideoError` where the video cannot be opened any more."""
    done: dict[Span, CutFile | CutError] = {}
    job = _Job(path, frames, encoding, max_pixels)
    for batch in _batches(sorted(spans, key=lambda span: (span.start_pts, span.end_pts)), frames):
        done |= job.cut(batch, seeks=frames.is_sure)
        failed = [span for span in batch if isinstance(done[span], CutError)]
        if failed and frames.is_sure:  # an index may lead to a place from which not every frame can be decoded
            done |= job.cut(failed, seeks=False)
    return [done[span] for span in spans]


@dataclass(frozen=True)
class _Job:
    path: Path
    frames: FrameList
    encoding: Encoding
    max_pixels: int

    def cut(self, spans: Sequence[Span], *, seeks: bool) -> Mapping[Span, CutFile | CutError]:
        """Cut the spans of a batch in one pass, from the key frame before the first of them if it `seeks`."""
        opened = open_media if self.frames.is_sure else open_joined
        with opened(str(self.path), max_pixels=self.max_pixels) as media:
            reader = SoundReader(media.audio) if media.audio is not None and self.encoding.with_sound else None
            clips = [_Clip(span, media, reader, self.frames, self.encoding) for span in spans]
            if seeks and can_seek(media):
                start_pts = spans[0].start_pts - ceil(PREROLL_SECONDS / self.frames.tick)
                media.container.seek(start_pts, stream=media.video, backward=True)
            try:
                self._feed(media, reader, clips)
            finally:
                for clip in clips:
                    clip.close()
        return {clip.span: self._outcome(clip) for clip in clips}

    def _feed(self, media: Media, reader: SoundReader | None, clips: Sequence[_Clip]) -> None:
        left = list(clips)
        late = INTERLEAVING_SECONDS / self.frames.tick
        for frame, pts, end_pts in full_decode(media, str(self.path), reader).frames():
            for clip in left:
                clip.add(frame, pts, end_pts)
                if pts >= clip.span.end_pts and (clip.has_all_sound or pts > clip.span.end_pts + late):
                    clip.close()
            left = [clip for clip in left if not clip.is_closed]
            if not left:
                return

    def _outcome(self, clip: _Clip) -> CutFile | CutError:
        expected = [pts - clip.span.start_pts for pts in clip.span.timestamps]
        problem = clip.problem
        if not problem and clip.added != expected:
            problem = f"{len(clip.added)} of its {len(expected)} frames could be decoded: the video is damaged there"
        if not problem:
            problem = _disagreement(clip.path, expected, clip.span.end_pts - clip.span.start_pts, self.frames.tick)
        if problem:
            clip.path.unlink(missing_ok=True)
            return CutError(problem)
        return CutFile(clip.path, notes=clip.notes)


class _Clip:
    """One clip in work. Its file is opened with its first frame, which decides about the format."""

    def __init__(
        self, span: Span, media: Media, reader: SoundReader | None, frames: FrameList, encoding: Encoding
    ) -> None:
        self.span = span
        self.path = span.path.with_suffix(SUFFIX)
        self.added: list[int] = []  # timestamps of its frames
        self.problem = ""
        self.notes: tuple[str, ...] = ()
        self.is_closed = False
        self._media, self._frames, self._encoding = media, frames, encoding
        self._container: OutputContainer | None = None
        self._video: VideoTrack | None = None
        self._sound: SoundTrack | None = None
        self._matrix: DisplayMatrix | None = None  # of the latest key frame
        if reader is not None:  # sound may precede the pictures in the file
            self._sound = SoundTrack(reader, span.start_pts * frames.tick, span.end_pts * frames.tick)
            reader.tracks.append(self._sound)

    @property
    def has_all_sound(self) -> bool:
        """Whether no further audio packet matters."""
        return self._sound is None or self._sound.is_complete

    def add(self, frame: VideoFrame, pts: int, end_pts: int) -> None:
        """Take a frame of the video, if it is one of the clip's."""
        if frame.key_frame:
            self._matrix = display_matrix(frame)
        span, position = self.span, len(self.added)
        if self.is_closed or self.problem or not span.start_pts <= pts < span.end_pts:
            return
        if position == len(span.timestamps) or pts != span.timestamps[position]:
            self.problem = f"frame {position} of {len(span.timestamps)} cannot be decoded: the video is damaged there"
            return
        following = span.end_pts if position + 1 == len(span.timestamps) else span.timestamps[position + 1]
        self.added.append(pts - span.start_pts)
        with self._noting_problems():
            if self._video is None:
                self._video = self._open(frame)
            self._video.add(frame, pts - span.start_pts, following - pts)

    def close(self) -> None:
        """Finish the file."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._container is None:
            return
        with self._noting_problems():
            if self._video is not None:
                self._video.finish()
                self.notes = tuple(self._video.notes)
            if self._sound is not None:
                self._sound.finish()
        with self._noting_problems():
            self._container.close()

    def _open(self, frame: VideoFrame) -> VideoTrack:
        self._container = av.open(str(self.path), "w", format="mp4")
        video = VideoTrack(
            self._container,
            frame,
            tick=self._frames.tick,
            rate=self._frames.rate,
            aspect=self._media.video.sample_aspect_ratio,
            crop=self._media.crop,
            matrix=display_matrix(frame) or self._matrix,
            crf=self._encoding.crf,
        )
        if self._sound is not None:
            self._sound.begin(self._container)
        return video

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        """An encoder that refuses a clip costs that clip alone."""
        try:
            yield
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, MemoryError):
                raise
            self.problem = self.problem or f"it cannot be encoded: {error}"


def _disagreement(path: Path, expected: Sequence[int], end: int, tick: Fraction) -> str:
    """What is wrong with the timestamps of a file that was cut; empty where they are as `expected`, in ticks."""
    try:
        found = list_frames(str(path))
    except VideoError as error:
        return f"the file that was cut cannot be read: {error.message}"
    seconds = [found.seconds_of(pts) for pts in found.timestamps]
    wanted = [pts * tick for pts in expected]
    if found.clock_seconds or seconds != wanted or found.duration_seconds != end * tick:
        return f"the file that was cut has {len(found)} frames at other times than the {len(expected)} of the source"
    return ""


def _batches(spans: Sequence[Span], frames: FrameList) -> Iterator[list[Span]]:
    """Spans, in the order of their starts, that are cut in one pass: near one another, and few at any time."""
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

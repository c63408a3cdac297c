"""Exact cuts: the frames that begin in a span, encoded anew, with the sound of the same time.

In: a path, its `FrameList`, and spans. Out: for each span an MP4 file, or the `CutError` that is the reason why there
is none. The first frame of a file is at 0, the distances between its frames are the source's, and the last one is on
screen until the end of the span. Pictures are H.264 (`video_track`), sound is AAC (`sound_track`).

A file is right only if every frame of its span was decoded, and if its own timestamps, read back from the file, are
those that it should have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame
from typing_extensions import override

from extractors.cutting.frame_list import FrameList, list_frames
from extractors.cutting.sound_track import SoundReader, SoundTrack
from extractors.cutting.span import CutError, CutFile, Span
from extractors.cutting.span_pass import SpanFrames, span_frames
from extractors.cutting.video_track import DEFAULT_CRF, VideoTrack
from extractors.video.media import MAX_PIXELS, Media
from schemas.outcomes import VideoError

SUFFIX = ".mp4"


def cut_exact(
    path: Path,
    frames: FrameList,
    spans: Sequence[Span],
    *,
    crf: int = DEFAULT_CRF,
    with_sound: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> list[CutFile | CutError]:
    """The outcome of each span, in order; `crf` is the constant rate factor of the pictures.

    Raises `VideoError` where the video cannot be opened any more, or the disk takes no more.
    """

    def make(span: Span, media: Media, reader: SoundReader | None) -> _Clip:
        return _Clip(span, media, reader, frames, crf)

    made = span_frames(path, frames, spans, make, with_sound=with_sound, max_pixels=max_pixels)
    try:
        done = {one.span.path: one.outcome() for one in made if isinstance(one, _Clip)}
    except VideoError:
        for span in spans:
            span.path.with_suffix(SUFFIX).unlink(missing_ok=True)
        raise
    return [done[span.path] for span in spans]


@dataclass(frozen=True)
class _Tracks:
    container: OutputContainer
    video: VideoTrack


class _Clip(SpanFrames):
    """One clip in work. Its file is opened with its first frame, which decides about the format."""

    def __init__(self, span: Span, media: Media, reader: SoundReader | None, frames: FrameList, crf: int) -> None:
        super().__init__(span)
        self._path = span.path.with_suffix(SUFFIX)
        self._media, self._frames, self._crf = media, frames, crf
        self._tracks: _Tracks | None = None
        self._reader = reader
        self._sound: SoundTrack | None = None
        if reader is not None:  # sound may precede the pictures in the file
            self._sound = SoundTrack(reader, span.start_pts * frames.tick, span.end_pts * frames.tick)
            reader.tracks.append(self._sound)

    @property
    @override
    def has_all_sound(self) -> bool:
        return self._sound is None or self._sound.is_complete

    def outcome(self) -> CutFile | CutError:
        """The file, or the reason why there is none."""
        problem = self.problem or self._disagreement()
        if problem:
            self._path.unlink(missing_ok=True)
            return CutError(problem)
        return CutFile(self._path, notes=tuple(self._tracks.video.notes) if self._tracks else ())

    @override
    def _take(self, frame: VideoFrame, pts: int, duration: int) -> None:
        if self._tracks is None:
            self._tracks = self._open(frame)
        self._tracks.video.add(frame, pts, duration)

    @override
    def _finish(self) -> None:
        if self._reader is not None and self._sound is not None:
            self._reader.tracks.remove(self._sound)
        if self._tracks is None:
            return
        try:
            if not self.problem:  # PyAV 18 crashes where a header that could not be written is written again
                self._tracks.video.finish()
                if self._sound is not None:
                    self._sound.finish()
        finally:
            self._tracks.container.close()

    def _open(self, frame: VideoFrame) -> _Tracks:
        container = av.open(str(self._path), "w", format="mp4")
        video = VideoTrack(
            container,
            frame,
            tick=self._frames.tick,
            rate=self._frames.rate,
            aspect=self._media.video.sample_aspect_ratio,
            crop=self._media.crop,
            matrix=self.matrix,
            crf=self._crf,
        )
        if self._sound is not None:
            self._sound.begin(container)
        return _Tracks(container, video)

    def _disagreement(self) -> str:
        """What is wrong with the timestamps of the file; empty where they are those of the span."""
        try:
            found = list_frames(str(self._path))
        except VideoError as error:
            return f"the file that was cut cannot be read: {error.message}"
        span, tick = self.span, self._frames.tick
        seconds = [found.seconds_of(pts) for pts in found.timestamps]
        wanted = [(pts - span.start_pts) * tick for pts in span.timestamps]
        is_same = seconds == wanted and found.duration_seconds == (span.end_pts - span.start_pts) * tick
        if is_same and not found.clock_seconds:
            return ""
        return f"the file that was cut has {len(seconds)} frames at other times than the {len(wanted)} of the source"

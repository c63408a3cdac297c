"""The tracks that a player would use: one of the pictures, one of the sound.

In: an open container. Out: its streams, by these criteria in turn:

- sound of the programme that the pictures belong to, in an MPEG transport stream of several;
- a codec that can be decoded;
- no track for a part of the audience (a commentary, a description for blind viewers, a mix for deaf ones), nor one that
  is to be mixed with another;
- the container's default flag;
- the first in the file.

Languages and titles are no criterion: which is understood depends on the viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails  # stored as video, but no part of it
SPECIAL = (
    Disposition.comment
    | Disposition.lyrics
    | Disposition.karaoke
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.clean_effects
    | Disposition.non_diegetic
    | Disposition.descriptions
    | Disposition.dependent
)

S = TypeVar("S", VideoStream, AudioStream)


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams that can be played; cover pictures and thumbnails are stored as video as well."""
    return [stream for stream in container.streams.video if not stream.disposition & PICTURES]


def audio_streams(container: InputContainer, video: VideoStream) -> list[AudioStream]:
    """The audio streams that can be decoded, of the programme of `video` where the container has programmes."""
    streams = _of_programme(container, video, container.streams.audio)
    return [stream for stream in streams if stream.codec_context is not None]


def choice(container: InputContainer, video: VideoStream, audio: AudioStream | None) -> str | None:
    """What was taken where there were several tracks, as in `video 0 of 0, 3; audio 2 of 1, 2`; None without a choice.

    The numbers are FFmpeg's, which counts the streams of a file from 0.
    """
    parts = []
    for kind, taken, streams in (("video", video, video_streams(container)), ("audio", audio, container.streams.audio)):
        if taken is not None and len(streams) > 1:
            parts.append(f"{kind} {taken.index} of {', '.join(str(stream.index) for stream in streams)}")
    return "; ".join(parts) or None


def best_of(streams: Sequence[S]) -> S | None:
    """The stream that a player would use; None if there is none."""
    return max(streams, key=_rank, default=None)  # the first of equals


def _rank(stream: VideoStream | AudioStream) -> tuple[bool, bool, bool]:
    disposition = stream.disposition
    return stream.codec_context is not None, not disposition & SPECIAL, bool(disposition & Disposition.default)


def _of_programme(
    container: InputContainer, video: VideoStream, streams: Sequence[AudioStream]
) -> Sequence[AudioStream]:
    """Those of `streams` that belong to the programme of `video`; all of them where that has none, or there is none.

    PyAV does not list programmes. But libav looks for the best stream of a type within a programme: each stream in turn
    is given the highest rank, and found if it belongs to the programme.
    """
    if len(streams) < 2:
        return streams
    given = [stream.disposition for stream in streams]
    members = []
    try:
        for stream in streams:
            stream.disposition = Disposition.hearing_impaired
        for stream in streams:
            stream.disposition = Disposition.default
            if container.streams.best("audio", video) is stream:
                members.append(stream)
            stream.disposition = Disposition.hearing_impaired
    finally:
        for stream, disposition in zip(streams, given, strict=True):
            stream.disposition = disposition
    return members or streams

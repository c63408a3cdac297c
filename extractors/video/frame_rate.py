"""The frame rate of a video stream, which tells how long a frame lasts where no timestamps do.

A raw stream (`.h264`, `.m2v`) has no timestamps but those that libav can count. Its rate is the one that the syntax
states, in H.264 and HEVC the timing of the VUI; without it libav assumes 25 frames per second, as players do.
"""

from __future__ import annotations

from fractions import Fraction

from extractors.video.media import Media

NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS, a flag of libav's formats


def is_raw(media: Media) -> bool:
    """Whether the file is a bare stream of a codec, in a format without timestamps."""
    return bool(media.container.format.flags & NO_TIMESTAMPS)


def states_frame_rate(media: Media) -> bool:
    """Whether the file tells how long its frames last; in a raw stream, only the syntax can."""
    return not is_raw(media) or bool(media.video.codec_context.framerate)


def frame_rate(media: Media) -> Fraction | None:
    """Frames per second on average; None if the file does not tell."""
    stated = media.video.codec_context.framerate if is_raw(media) else None
    return stated or media.video.average_rate  # of a raw stream, this is the assumption


def nominal_duration(media: Media) -> int:
    """Duration of a frame in ticks at the frame rate of the video; at least 1."""
    rate, tick = frame_rate(media), media.video.time_base
    return max(1, int(1 / (rate * tick))) if rate and tick else 1

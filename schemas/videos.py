"""One row of a manifest: a video, or a part of one, that a run is asked to process."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from schemas.spoken_words import SpokenWord

Seconds = int | Fraction  # in manifests whole microseconds, and an `int` where they are whole seconds
MICROSECONDS = 1_000_000
INTERVAL = re.compile(r" \[(\d{1,18}(?:\.\d{1,6})?)-[\d.]*\]$")


@dataclass(frozen=True, slots=True)
class Video:
    """A video before it is opened.

    id             unique in the dataset; data, never a path to write to
    uri            where it is read from
    labels         class indices, or names that the dataset's vocabulary maps to indices
    split          train, validation, test or empty
    start_seconds  start of the interval that is processed, after the first frame
    end_seconds    end of the interval, or None for the end of the video
    group          what it has in common with others, such as a recording or a person; no split divides a group
    version        identifies the bytes behind the URI, such as an etag; empty where unknown
    text           the sentence that is spoken, in Unicode's composed form (NFC); empty where unknown
    words          its words and when they are spoken, all within the interval; empty where unknown
    size_bytes     of the file, as a listing told it; None where unknown
    """

    id: str
    uri: str
    labels: tuple[int | str, ...] = ()
    split: str = ""
    start_seconds: Seconds = 0
    end_seconds: Seconds | None = None
    version: str = ""
    group: str = ""
    text: str = ""
    words: tuple[SpokenWord, ...] = ()
    size_bytes: int | None = field(default=None, compare=False)


def whole_microseconds(seconds: Seconds) -> Seconds:
    """A time as manifests hold it, rounded down, so that no frame at the end of an interval is in it.

    Nor is one missing at its start: readers take a frame that begins within a tick of it (`extractors.clips.decode`).
    """
    rounded = Fraction(floor(seconds * MICROSECONDS), MICROSECONDS)
    return int(rounded) if rounded.denominator == 1 else rounded


def seconds_text(seconds: Seconds) -> str:
    """Whole microseconds as a decimal number: `12`, `1.4835`."""
    whole, micros = divmod(floor(seconds * MICROSECONDS), MICROSECONDS)
    return f"{whole}.{micros:06}".rstrip("0") if micros else str(whole)


def content_of(video: Video) -> str:
    """The content of a video as the ledger stores it: the version of its bytes, and the interval if it has one."""
    if not video.start_seconds and video.end_seconds is None:
        return video.version
    end = "" if video.end_seconds is None else seconds_text(video.end_seconds)
    return f"{video.version} [{seconds_text(video.start_seconds)}-{end}]"


def start_of(content: str) -> Seconds:
    """The start of the interval in seconds, given a result of `content_of`."""
    interval = INTERVAL.search(content)
    return whole_microseconds(Fraction(interval[1])) if interval else 0


def is_same_content(then: str, now: str) -> bool:
    """Whether two results of `content_of` agree; an unknown version agrees with any."""
    (version_then, _, interval_then), (version_now, _, interval_now) = then.partition(" ["), now.partition(" [")
    return interval_then == interval_now and (version_then == version_now or not version_then or not version_now)

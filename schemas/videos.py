"""One row of a manifest: a video that a run is asked to process."""

from __future__ import annotations

import re
from dataclasses import dataclass

INTERVAL = re.compile(r" \[(\d{1,18})-\d*\]$")


@dataclass(frozen=True, slots=True)
class Video:
    """A video before it is opened.

    id             unique in the dataset; data, never a path to write to
    uri            where it is read from
    labels         class indices, or names that the dataset's vocabulary maps to indices
    split          train, validation, test or empty
    start_seconds  start of the interval that is processed
    end_seconds    end of the interval, or None for the end of the video
    version        identifies the bytes behind the URI, such as an etag; empty where unknown
    """

    id: str
    uri: str
    labels: tuple[int | str, ...] = ()
    split: str = ""
    start_seconds: int = 0
    end_seconds: int | None = None
    version: str = ""


def content_of(video: Video) -> str:
    """The content of a video as the ledger stores it: the version of its bytes, and the interval if it has one."""
    if not video.start_seconds and video.end_seconds is None:
        return video.version
    end = "" if video.end_seconds is None else video.end_seconds
    return f"{video.version} [{video.start_seconds}-{end}]"


def start_of(content: str) -> int:
    """The start of the interval in seconds, given a result of `content_of`."""
    interval = INTERVAL.search(content)
    return int(interval[1]) if interval else 0


def is_same_content(then: str, now: str) -> bool:
    """Whether two results of `content_of` agree; an unknown version agrees with any."""
    (version_then, _, interval_then), (version_now, _, interval_now) = then.partition(" ["), now.partition(" [")
    return interval_then == interval_now and (version_then == version_now or not version_then or not version_now)

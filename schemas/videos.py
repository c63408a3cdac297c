"""One row of a manifest: a video that the run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Video:
    """What is known of a video before it is opened.

    id             unique in the dataset; data, never a path to write to
    uri            where it can be read
    labels         class indices, or names that the dataset's vocabulary turns into indices
    split          train, validation, test or empty
    start_seconds  first second that is wanted
    end_seconds    where to stop, or None for the end of the video
    version        what changes when the bytes behind the URI do (an etag, say); empty where unknown
    """

    id: str
    uri: str
    labels: tuple[int | str, ...] = ()
    split: str = ""
    start_seconds: int = 0
    end_seconds: int | None = None
    version: str = ""


def content_of(video: Video) -> str:
    """What the ledger keeps of a video's content: the version of its bytes and, where one is asked for, the stretch."""
    if not video.start_seconds and video.end_seconds is None:
        return video.version
    end = "" if video.end_seconds is None else video.end_seconds
    return f"{video.version} [{video.start_seconds}-{end}]"


def is_same_content(then: str, now: str) -> bool:
    """Whether two of `content_of` are the same as far as is known."""
    (version_then, _, stretch_then), (version_now, _, stretch_now) = then.partition(" ["), now.partition(" [")
    return stretch_then == stretch_now and (version_then == version_now or not version_then or not version_now)

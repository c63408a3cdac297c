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

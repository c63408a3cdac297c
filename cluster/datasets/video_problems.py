"""What is wrong with videos that are right each by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cluster.storage.redaction import redacted_uri
from cluster.storage.tar_members import part_of
from schemas.videos import Video


def mixed_labels(videos: Iterable[Video]) -> list[str]:
    """Names get indices from 0 on, which would collide with classes that are given by index."""
    labels = [label for video in videos for label in video.labels]
    index = next((label for label in labels if isinstance(label, int)), None)
    name = next((label for label in labels if isinstance(label, str)), None)
    if index is None or name is None:
        return []
    return [f"labels are class indices or names, not both: there are {index} and {name!r}"]


def duplicates(videos: Iterable[Video]) -> list[str]:
    """The ids that stand for several videos."""
    uris: dict[str, str] = {}
    problems = []
    for video in videos:
        if video.id in uris:
            problems.append(
                f"id {video.id!r} stands for both {redacted_uri(uris[video.id])!r} and {redacted_uri(video.uri)!r}; "
                "ids must be unique (a manifest can give each video an id of its own)"
            )
        else:
            uris[video.id] = video.uri
    return problems


def may_repeat(video: Video) -> bool:
    """Whether a video that is there twice is a problem: it has a split, or is a member of a tar."""
    return bool(video.uri) and (bool(video.split) or part_of(video.uri) is not None)


def repeated(videos: Iterable[Video]) -> list[str]:
    """What a test would know from training: videos that are in two splits, and members of tars that are there twice."""
    known: dict[str | tuple[Any, ...], Video] = {}
    problems = []
    for video in filter(may_repeat, videos):
        is_whole = not video.start_seconds and video.end_seconds is None
        key = video.uri if is_whole else (video.uri, video.start_seconds, video.end_seconds)
        first = known.setdefault(key, video)
        if first is video:
            continue
        uri = redacted_uri(video.uri)
        if first.split and video.split and first.split != video.split:
            problems.append(f"{first.id!r} and {video.id!r} are one video in two splits: {uri!r}")
        elif part_of(video.uri) is not None:
            problems.append(f"{first.id!r} and {video.id!r} are one member of a tar: {uri!r}")
    return problems

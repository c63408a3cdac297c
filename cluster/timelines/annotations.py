"""Truth: annotated intervals of videos, in any format of `cluster.annotations`, as what the events of a classifier are
measured against.

The usual ones are ActivityNet's JSON, and a table with `id` or `video`, `start_seconds`, `end_seconds`, `label` or
`labels` and, where there are subsets, `subset` or `split`: so the file of `cluster.timelines.event_csv` is one. A video
without annotations is one in which nothing happens. Times must be seconds: frames need the video itself.

A file that is no such thing raises `AnnotationError` with everything that is wrong. Intervals without length, or that
end before they start, are taken as they are, and `oddities` tells of them: data sets hold some, and count them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.annotations.base import AnnotationError
from cluster.annotations.read import read_annotations
from cluster.datasets.label_cells import shown
from schemas.annotations import TimeRange
from schemas.errors import examples


@dataclass(frozen=True)
class Annotation:
    """What happens in a video from one second to another, after its first frame."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Truth:
    """Annotations by video, also of videos that have none, and the subsets that videos are of, where there are any."""

    videos: dict[str, list[Annotation]] = field(default_factory=dict)
    subsets: dict[str, str] = field(default_factory=dict)


def oddities(videos: Mapping[str, Sequence[Annotation]]) -> list[str]:
    """What is odd about the intervals of videos, for a person."""
    flat = [(name, one) for name, its in videos.items() for one in its]
    kinds = {
        "without length": [name for name, one in flat if one.end_seconds == one.start_seconds],
        "that end before they start": [name for name, one in flat if one.end_seconds < one.start_seconds],
    }
    return [
        f"intervals {kind} ({len(names)}), which count as missed; in: {examples([*dict.fromkeys(names)])}"
        for kind, names in kinds.items()
        if names
    ]


def read_truth(uri: str) -> Truth:
    """The annotations in a file, or in the files of a folder."""
    truth, problems = Truth(), list[str]()
    for video in read_annotations(uri).videos:
        annotations = truth.videos.setdefault(video.name, [])
        if video.split and truth.subsets.setdefault(video.name, video.split) != video.split:
            before = truth.subsets[video.name]
            problems.append(f"{shown(video.name)} is in {shown(video.split)}, and in {shown(before)} before")
        for one in video.annotations:
            if not one.label:
                problems.append(f"{one.source}: no label")
            elif isinstance(one.extent, TimeRange):
                start, end = float(one.extent.start_seconds), float(one.extent.end_seconds)
                annotations.append(Annotation(one.label, start, end))
            else:
                has = "no times" if one.extent is None else "frames"
                problems.append(f"{one.source}: {shown(one.label)} has {has}, and events are measured in seconds")
    if not problems and not any(truth.videos.values()):
        problems.append("it annotates nothing")
    if problems:
        raise AnnotationError(uri, problems)
    return truth

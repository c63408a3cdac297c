"""The JSON that temporal detectors use for MultiTHUMOS and Charades: id → `subset`, `duration` and `actions`, a list of
[class, start, end] in seconds.

Classes are numbers, which count from 1 in MultiTHUMOS and from 0 in Charades: they stay numbers.
Reference: https://github.com/piergiaj/super-events-cvpr18
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, member, optional_member, seconds_of, segment_of
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet


def is_file(file: ExportFile) -> bool:
    """Whether its videos have actions."""
    content = file.json()
    values = [*content.values()][:20] if isinstance(content, dict) else []
    return bool(values) and all(isinstance(one, dict) and isinstance(one.get("actions"), list) for one in values)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The actions of all files."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    for file in files:
        with found.at(file.name):
            content: Any = file.json()
            if not isinstance(content, dict):
                raise ValueError(f"it holds {shown(content)}, not an object with a key for each video")
            for name, video in content.items():
                with found.at(place := f"{file.name}, {shown(name)}"):
                    videos.append(_video(name, video, place, found))
    return found.result(videos)


def _video(name: str, video: Any, place: str, found: Findings) -> AnnotatedVideo:
    annotations = []
    for number, action in enumerate(member(video, "actions", list), 1):
        with found.at(source := f"{place}, action {number}"):
            if not isinstance(action, list) or len(action) != 3:
                raise ValueError(f"expected [class, start, end], not {shown(action)}")
            annotations.append(Annotation(label_of(action[0]), segment_of(action[1:]), source))
    duration = video.get("duration")
    return AnnotatedVideo(
        label_of(name, "id"),
        tuple(annotations),
        duration_seconds=None if duration is None else seconds_of(duration),
        split=optional_member(video, "subset", str, ""),
    )


FORMAT = Format(
    "action-lists", "lists of [class, start, end] in JSON (MultiTHUMOS, Charades)", (".json",), is_file, read
)

"""ActivityNet's JSON and what is derived from it: HACS Segments, and files of THUMOS14, FineAction and others.

    {"database": {ID: {"subset", "duration", "annotations": [{"segment": [start, end], "label"}]}}}, or what is in it

Seconds. Derived files leave `database` or `duration` out, hold numbers as text, or call the length `duration_second`.
Ids are kept as they are, also with `v_` in front. A video of the testing subset has no annotations.
Reference: http://activity-net.org/download.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import (
    label_of,
    member,
    optional_member,
    rate_of,
    seconds_of,
    segment_of,
    text_of,
)
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet

DATABASE, RESULTS = "database", "results"
DURATIONS = ("duration", "duration_second")
LOOKED_AT = 20  # videos, by which a file is recognised


def is_file(file: ExportFile) -> bool:
    """Whether it maps ids to lists of annotations."""
    content = file.json()
    if isinstance(content, dict) and isinstance(content.get(DATABASE), dict):
        return True
    values = [*content.values()][:LOOKED_AT] if isinstance(content, dict) else []
    lists = [one.get("annotations") for one in values if isinstance(one, dict)]
    return bool(lists) and len(lists) == len(values) and all(map(_is_list, lists)) and any(lists)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The annotations of all files."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    for file in files:
        before = f"{file.name}, " if export.is_folder else ""
        with found.at(file.name):
            for name, video in _videos(file.json()).items():
                with found.at(f"{before}{shown(name)}"):
                    videos.append(_video(name, video, before, found))
    return found.result(videos)


def _videos(content: Any) -> Mapping[str, Any]:
    videos = content.get(DATABASE, content) if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise ValueError(f"it holds {shown(content)}, not an object whose {DATABASE!r} has a key for each video")
    if RESULTS in videos and "version" in videos:
        raise ValueError("these are the results of a detector, not annotations")
    return videos


def _video(name: str, video: Any, before: str, found: Findings) -> AnnotatedVideo:
    annotations = []
    for number, entry in enumerate(member(video, "annotations", list), 1):
        place = f"{before}{shown(name)}, annotation {number}"
        with found.at(place):
            extent = segment_of(member(entry, "segment", list))
            annotations.append(Annotation(label_of(member(entry, "label", object)), extent, place))
    duration = next((video[key] for key in DURATIONS if video.get(key) is not None), None)
    rate = video.get("fps")
    return AnnotatedVideo(
        label_of(name, "id"),
        tuple(annotations),
        rate=None if rate is None else rate_of(rate),
        duration_seconds=None if duration is None else seconds_of(duration),
        split=text_of(optional_member(video, "subset", str, ""), "subset"),
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and "segment" in one for one in value[:1])


FORMAT = Format(
    "activitynet",
    "ActivityNet's JSON and what is derived from it (HACS Segments, THUMOS14 and others)",
    (".json",),
    is_file,
    read,
)

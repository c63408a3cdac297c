"""FineGym: JSON video → event `E_005787_005866` → `event`, `timestamps` [[start, end]] and `segments`: action
`A_0075_0078` → `timestamps`, or null.

Seconds: those of events are of the video, those of actions count from the start of their event. An action of several
stages lasts from the start of the first to the end of the last. Classes of actions stand in lists beside it, rows
`VIDEO_E_…_A_… CLASS`; actions that no list has are left out. Without a list, the events are the annotations, and their
numbers the classes. Reference: https://sdolivia.github.io/FineGym
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, member, optional_member, segment_of, split_in
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

EVENT = re.compile(r"E_\d+_\d+")
LIST_ROW = re.compile(r"\s*(?P<video>\S+)_(?P<event>E_\d+_\d+)_(?P<action>A_\d+_\d+)\s+(?P<label>\d{1,6})\s*")
Key = tuple[str, str, str]
Class = tuple[str, str]  # label and split


def is_file(file: ExportFile) -> bool:
    """Whether it maps videos to events."""
    content = file.json()
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    return isinstance(first, dict) and bool(first) and all(EVENT.fullmatch(key) for key in first)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The actions of all files, or their events."""
    found = Findings(export.uri)
    classes = _classes(export, found)
    videos: list[AnnotatedVideo] = []
    for file in files:
        with found.at(file.name):
            content = file.json()
            if not isinstance(content, dict):
                raise ValueError(f"it holds {shown(content)}, not an object with a key for each video")
            for name in content:
                by_split: dict[str, list[Annotation]] = {}
                for key, event in member(content, name, dict).items():
                    with found.at(place := f"{file.name}, {shown(name)}, {key}"):
                        for split, annotation in _event(name, key, event, classes, place, found):
                            by_split.setdefault(split, []).append(annotation)
                for split, annotations in (by_split or {"": []}).items():
                    videos.append(AnnotatedVideo(label_of(name, "id"), tuple(annotations), split=split))
    if not classes:
        found.note("no list of classes lies beside it, so the events are taken and not their actions")
    return found.result(videos)


def _event(
    name: str, key: str, event: Any, classes: Mapping[Key, Class], place: str, found: Findings
) -> Iterator[tuple[str, Annotation]]:
    """The annotations of an event, each with its split."""
    whole = _whole(event)
    if not classes:
        yield "", Annotation(label_of(member(event, "event", object), "event"), whole, place)
        return
    for action, segment in optional_member(event, "segments", dict, {}).items():
        with found.at(where := f"{place}, {action}"):
            listed = classes.get((name, key, action))
            if listed is None:
                found.note("actions without a class are left out", where)
                continue
            label, split = listed
            stages = _whole(segment)
            start = whole.start_seconds
            extent = TimeRange(start + stages.start_seconds, start + stages.end_seconds)
            yield split, Annotation(label, extent, where, attributes=(("event", str(event.get("event"))),))


def _whole(entry: Any) -> TimeRange:
    """From the first start to the last end of its timestamps."""
    stages = [segment_of(one) for one in member(entry, "timestamps", list)]
    if not stages:
        raise ValueError("it has no timestamps")
    starts: list[Fraction] = [stage.start_seconds for stage in stages]
    return TimeRange(min(starts), max(stage.end_seconds for stage in stages))


def _classes(export: Export, found: Findings) -> dict[Key, Class]:
    """Classes and splits of actions, from the lists in the folder."""
    classes: dict[Key, Class] = {}
    for file in export.files if export.is_folder else ():
        lines = file.first_lines(3) if file.name.endswith(".txt") else []
        if not lines or not all(LIST_ROW.fullmatch(line) for line in lines):
            continue
        for number, line in enumerate(file.text().splitlines(), 1):
            row = LIST_ROW.fullmatch(line)
            if row is None:
                if line.strip():
                    found.wrong(f"{file.name}, line {number}: {shown(line)} is not an action with its class")
                continue
            classes[row["video"], row["event"], row["action"]] = row["label"], split_in(file.stem)
    return classes


FORMAT = Format("finegym", "FineGym", (".json",), is_file, read)

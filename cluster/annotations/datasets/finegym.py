"""FineGym: JSON video → event `E_005787_005866` → `event`, `timestamps` [[start, end]] and `segments`: action
`A_0075_0078` → `timestamps`, or null.

Seconds: those of events are of the video, those of actions count from the start of their event. An action of several
stages lasts from the start of the first to the end of the last. Classes of actions stand in lists beside it, rows
`VIDEO_E_…_A_… CLASS`; actions that no list has are left out. Lists divide the actions of a video between splits, and
those of Gym99 and Gym288 number other classes: only one of the two can be read at a time. Without a list, the events
are the annotations, and their numbers the classes. Reference: https://sdolivia.github.io/FineGym
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, member, optional_member, segment_of, split_in
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

EVENT = re.compile(r"E_\d+_\d+")
NUMBERING = re.compile(r"gym_?\d+")  # of classes, as the names of lists say it
LIST_ROW = re.compile(r"\s*(?P<video>\S+)_(?P<event>E_\d+_\d+)_(?P<action>A_\d+_\d+)\s+(?P<label>\d{1,6})\s*")
Key = tuple[str, str, str]


@dataclass(frozen=True)
class _Listed:
    """What a list says of an action."""

    label: str
    split: str
    place: str


def is_file(file: ExportFile) -> bool:
    """Whether it maps videos to events."""
    content = file.json()
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    return isinstance(first, dict) and bool(first) and all(EVENT.fullmatch(key) for key in first)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The actions of all files, or their events."""
    found = Findings(export.uri)
    listed = _lists(export, found)
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
                        for split, annotation in _event(name, key, event, listed, place, found):
                            by_split.setdefault(split, []).append(annotation)
                for split, annotations in (by_split or {"": []}).items():
                    videos.append(AnnotatedVideo(label_of(name, "id"), tuple(annotations), split=split))
    if not listed:
        found.note("no list of classes lies beside it, so the events are taken and not their actions")
    return found.result(videos)


def _event(
    name: str, key: str, event: Any, listed: Mapping[Key, _Listed], place: str, found: Findings
) -> Iterator[tuple[str, Annotation]]:
    """Its actions, or itself, each with its split."""
    whole = _whole(event)
    if not listed:
        yield "", Annotation(label_of(member(event, "event", object), "event"), whole, place)
        return
    for action, segment in optional_member(event, "segments", dict, {}).items():
        with found.at(where := f"{place}, {action}"):
            entry = listed.get((name, key, action))
            if entry is None:
                found.note("actions without a class are left out", where)
                continue
            stages = _whole(segment)
            start = whole.start_seconds
            extent = TimeRange(start + stages.start_seconds, start + stages.end_seconds)
            yield entry.split, Annotation(entry.label, extent, where, attributes=(("event", str(event.get("event"))),))


def _whole(entry: Any) -> TimeRange:
    """From the first start to the last end of its timestamps."""
    stages = [segment_of(one) for one in member(entry, "timestamps", list)]
    if not stages:
        raise ValueError("it has no timestamps")
    starts: list[Fraction] = [stage.start_seconds for stage in stages]
    return TimeRange(min(starts), max(stage.end_seconds for stage in stages))


def _lists(export: Export, found: Findings) -> dict[Key, _Listed]:
    """The actions of the lists in the folder."""
    lists = [file for file in export.files if export.is_folder and file.name.endswith(".txt") and _is_list(file)]
    numberings: dict[str, str] = {}  # each with its first list
    for file in lists:
        if numbering := NUMBERING.search(file.stem.lower()):
            numberings.setdefault(numbering[0], file.name)
    if len(numberings) > 1:
        names = ", ".join(map(repr, numberings.values()))
        found.wrong(f"the lists of {' and '.join(numberings)} number other classes ({names}): leave those of one alone")
        return {}
    listed: dict[Key, _Listed] = {}
    for file in lists:
        with found.at(file.name):
            for number, line in enumerate(file.text().splitlines(), 1):
                with found.at(place := f"{file.name}, line {number}"):
                    if line.strip():
                        _add_row(line, split_in(file.stem), place, listed, found)
    return listed


def _is_list(file: ExportFile) -> bool:
    lines = file.first_lines(3)
    return bool(lines) and all(LIST_ROW.fullmatch(line) for line in lines)


def _add_row(line: str, split: str, place: str, listed: dict[Key, _Listed], found: Findings) -> None:
    row = LIST_ROW.fullmatch(line)
    if row is None:
        raise ValueError(f"{shown(line)} is not an action with its class")
    before = listed.setdefault((row["video"], row["event"], row["action"]), _Listed(row["label"], split, place))
    if before.label != row["label"]:
        raise ValueError(f"it is of class {row['label']} here, and of class {before.label} in {before.place}")
    if before.split != split:
        found.note("actions in the lists of two splits are in the first one", place)


FORMAT = Format("finegym", "FineGym", (".json",), is_file, read)

"""Truth: annotated intervals of videos, from a file, as what the events of a classifier are measured against.

    .json                  ActivityNet's: `database`, or a file of what is in it, from id to `annotations`, a list of
                           `segment` [start, end] in seconds and `label`; `subset` where there are subsets
    .csv, .tsv and others  the forms of a manifest (`cluster.datasets.manifest_rows`): `id` or `video`, `start_seconds`,
                           `end_seconds`, `label` or `labels`, and `subset` or `split` where there are subsets; other
                           columns are left alone. So the file of `cluster.timelines.event_csv` is one. A row without
                           label and seconds is a video in which nothing happens

A file that is no such thing raises `AnnotationError` with everything that is wrong. Intervals without length, or that
end before they start, are taken as they are, and `oddities` tells of them: data sets hold some, and count them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from cluster.datasets.label_cells import checked_text, shown
from cluster.datasets.manifest import MAX_FOUND, ManifestError
from cluster.datasets.manifest_rows import is_manifest, rows_of
from cluster.storage import files
from schemas import strict_json
from schemas.cells import text_of_cell
from schemas.errors import examples
from schemas.numerals import number_of

MAX_BYTES = 1 << 28
DATABASE = "database"
# Columns by what they hold, each with the names that it may have.
COLUMNS = {
    "id": ("id", "video"),
    "start": ("start_seconds",),
    "end": ("end_seconds",),
    "label": ("label", "labels"),
}
SUBSETS = ("subset", "split")


class AnnotationError(ManifestError):
    """A truth file that cannot be used; `lines` lists everything that is wrong with it."""


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
    """The annotations in a file."""
    try:
        content = files.read_bytes(uri)
    except (OSError, files.StorageError) as error:
        raise AnnotationError(uri, [f"it cannot be read: {error}"]) from error
    return parse_truth(uri, content)


def parse_truth(uri: str, content: bytes) -> Truth:
    """The annotations in the content of a file."""
    if len(content) > MAX_BYTES:
        raise AnnotationError(uri, [f"it has {len(content):,} bytes, at most {MAX_BYTES:,} are read"])
    truth, problems = Truth(), list[str]()
    try:
        if posixpath.splitext(files.address_of(uri))[1].lower() == ".json":
            _add_json(truth, strict_json.parse(content), problems)
        elif is_manifest(uri):
            _add_rows(truth, uri, content, problems)
        else:
            problems.append("it is neither .json, as ActivityNet has it, nor .csv")
    except ValueError as error:
        problems.append(f"it cannot be parsed: {error}")
    if not problems and not any(truth.videos.values()):
        problems.append("it annotates nothing")
    if problems:
        raise AnnotationError(uri, problems)
    return truth


def _add_json(truth: Truth, content: Any, problems: list[str]) -> None:
    videos = content.get(DATABASE, content) if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise ValueError(f"it holds {shown(content)}, not an object whose {DATABASE!r} has a key for each video")
    for name, video in videos.items():
        try:
            annotations = _member(video, "annotations", list)
            truth.videos[checked_text(name, "id")] = []
            if isinstance(video.get("subset"), str):
                truth.subsets[name] = video["subset"]
        except ValueError as error:
            problems.append(f"{shown(name)}: {error}")
            continue
        for number, entry in enumerate(annotations, 1):
            try:
                segment, label = _member(entry, "segment", list), _member(entry, "label", str)
                if len(segment) != 2:
                    raise ValueError(f"its segment {shown(segment)} is not a start and an end")
                truth.videos[name].append(_annotation(label, *segment))
            except ValueError as error:
                problems.append(f"{shown(name)}, annotation {number}: {error}")
        if len(problems) > MAX_FOUND:
            return


def _member(value: Any, key: str, kind: type) -> Any:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        what = "text" if kind is str else "a list"
        raise ValueError(f"expected an object with {key!r}, {what}, not {shown(value)}")
    return found


def _add_rows(truth: Truth, uri: str, content: bytes, problems: list[str]) -> None:
    columns: Mapping[str, str] = {}
    for row in rows_of(uri, content):
        if len(problems) > MAX_FOUND:
            return
        if row.problem:
            problems.append(f"{row.place}: {row.problem}")
            continue
        if not columns:
            columns = dict(_columns(row.cells, problems))
            if len(columns) < len(COLUMNS):
                return
        try:
            name, label = (text_of_cell(_text(row.cells, columns[key])) for key in ("id", "label"))
            if not name:
                raise ValueError(f"no {columns['id']}")
            annotations = truth.videos.setdefault(name, [])
            start, end = (row.cells.get(columns[key]) for key in ("start", "end"))
            if label or _is_filled(start) or _is_filled(end):
                annotations.append(_annotation(label, start, end))
            subset = next((_text(row.cells, column) for column in SUBSETS if column in row.cells), "")
            if subset and truth.subsets.setdefault(name, subset) != subset:
                raise ValueError(
                    f"{shown(name)} is in {shown(subset)} here, and in {shown(truth.subsets[name])} before"
                )
        except ValueError as error:
            problems.append(f"{row.place}: {error}")


def _columns(cells: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, str]]:
    """Which columns hold what; `problems` take what is missing."""
    others = cells.keys() - {name for names in COLUMNS.values() for name in names}
    for key, names in COLUMNS.items():
        found = [name for name in names if name in cells]
        if len(found) == 1:
            yield key, found[0]
        elif found:
            problems.append(f"it has both columns {' and '.join(map(repr, found))}: leave one")
        else:
            near = get_close_matches(names[0], others, 1, cutoff=0.5)
            hint = f"; is it {near[0]!r}? Rename it" if near else ""
            problems.append(f"it has no column {' or '.join(map(repr, names))}{hint}")


def _annotation(label: str, start: Any, end: Any) -> Annotation:
    if not label.strip():
        raise ValueError("no label")
    return Annotation(checked_text(label.strip(), "label"), float(number_of(start)), float(number_of(end)))


def _text(cells: Mapping[str, Any], column: str) -> str:
    value = cells.get(column)
    return "" if value is None else checked_text(str(value).strip(), column)


def _is_filled(value: Any) -> bool:
    return value is not None and bool(str(value).strip())

"""Plain tables of annotations: CSV, TSV, JSON lines or Parquet with a header, one row an annotation.

    id | video                     the video, by name or path
    label | labels                 a class by name or number; `labels` may hold several, as in a manifest
    start_seconds, end_seconds     half open, or
    start_frame, end_frame         both included and counted from 0: the video's own frames, or `frame_rate` a second
    split | subset, group          optional
    duration_seconds, frame_count  optional: what the table claims of the video

A row with a label alone is about the whole video, one with neither label nor times is a video in which nothing
happens, and one with times alone is an annotation without a label, which cutting reports. Rows of a video may be in
several splits; those without one are in that of the others. Other columns become attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.delimited import header_of
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, seconds_of, text_of
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import labels_of, shown
from cluster.datasets.manifest_rows import READERS, is_manifest, rows_of
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, FrameRange, TimeRange
from schemas.cells import text_of_cell

SECONDS, FRAMES = ("start_seconds", "end_seconds"), ("start_frame", "end_frame")
# Columns by what they hold, each with the names that it may have.
COLUMNS = {"id": ("id", "video"), "label": ("label", "labels")}
OPTIONAL = {"split": ("split", "subset"), "group": ("group",)}
CLAIMS: Mapping[str, Callable[[Any], Any]] = {"duration_seconds": seconds_of, "frame_count": frame_of}
SUMMARY = f"a table with {' or '.join(COLUMNS['id'])}, label, and {' and '.join(SECONDS)} or {' and '.join(FRAMES)}"
ALL = {name for names in (*COLUMNS.values(), *OPTIONAL.values(), SECONDS, FRAMES, CLAIMS) for name in names}


def is_file(file: ExportFile) -> bool:
    """Whether its header has a video, a label and times."""
    columns = {*header_of(file)}
    has_names = all(columns & {*names} for names in COLUMNS.values())
    return has_names and any({*times} <= columns for times in (SECONDS, FRAMES))


@dataclass
class _Video:
    rows: list[tuple[str, Annotation]] = field(default_factory=list)  # with their splits
    splits: dict[str, None] = field(default_factory=dict)
    group: str = ""
    claims: dict[str, Any] = field(default_factory=dict)

    def entries(self, name: str) -> Iterator[AnnotatedVideo]:
        """One for each split, of which the first one has what the table claims."""
        named = [split for split in self.splits if split]
        alone = named[0] if len(named) == 1 else ""
        claims = self.claims
        for split in named if alone else self.splits:
            its = tuple(one for of_row, one in self.rows if (of_row or alone) == split)
            yield AnnotatedVideo(name, its, split=split, group=self.group, **claims)
            claims = {}


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The rows of all tables."""
    found = Findings(export.uri)
    videos: dict[str, _Video] = {}
    for file in files:
        with found.at(file.name):
            _add(file, videos, options.frame_rate, found, f"{file.name}, " if export.is_folder else "")
    return found.result(entry for name, video in videos.items() for entry in video.entries(name))


def _add(file: ExportFile, videos: dict[str, _Video], rate: Fraction | None, found: Findings, before: str) -> None:
    columns: Mapping[str, str] = {}
    for row in rows_of(file.name if is_manifest(file.name) else f"{file.name}.csv", file.content):
        if row.problem:
            found.wrong(f"{before}{row.place}: {row.problem}")
            continue
        columns = columns or _columns(row.cells)
        with found.at(f"{before}{row.place}"):
            name, label = (text_of_cell(text_of(_plain(row.cells.get(columns[key])), key)) for key in COLUMNS)
            video = videos.setdefault(label_of(name, columns["id"]), _Video())
            extent = _extent(row.cells, rate)
            group = text_of(row.cells.get("group"), "group")
            split = text_of(row.cells.get(columns.get("split", "split")), "split")
            video.splits[split] = None
            if not label and extent is None and group:
                if video.group not in ("", group):
                    raise ValueError(
                        f"{shown(name)} is in group {shown(group)} here, and in {shown(video.group)} before"
                    )
                video.group = group
            for claim, checked in CLAIMS.items():
                if str(row.cells.get(claim) or "").strip():
                    video.claims[claim] = checked(row.cells[claim])
            labels = (
                _labels(row.cells.get(columns["label"])) if columns["label"] == "labels" else [label] if label else []
            )
            others = attributes_of((key, _plain(value)) for key, value in row.cells.items() if key and key not in ALL)
            for one in labels or ([] if extent is None else [""]):
                video.rows.append((split, Annotation(one, extent, f"{before}{row.place}", group, others)))


def _columns(cells: Mapping[str, Any]) -> dict[str, str]:
    """Which columns hold what."""
    chosen: dict[str, str] = {}
    problems: list[str] = []
    for key, names in {**COLUMNS, **OPTIONAL}.items():
        there = [name for name in names if name in cells]
        if len(there) > 1:
            problems.append(f"it has both columns {' and '.join(map(repr, there))}: leave one")
        elif there:
            chosen[key] = there[0]
        elif key in COLUMNS:
            near = get_close_matches(names[0], cells.keys() - ALL, 1, cutoff=0.5)
            hint = f"; is it {near[0]!r}? Rename it" if near else ""
            problems.append(f"it has no column {' or '.join(map(repr, names))}{hint}")
    both = [times for times in (SECONDS, FRAMES) if any(name in cells for name in times)]
    if len(both) > 1:
        problems.append(f"it has seconds and frames: leave {' and '.join(SECONDS)}, or {' and '.join(FRAMES)}")
    for times in both:
        problems += [
            f"it has {times[not place]!r}, but no column {name!r}"
            for place, name in enumerate(times)
            if name not in cells
        ]
    if problems:
        raise ValueError("; ".join(problems))
    return chosen


def _extent(cells: Mapping[str, Any], rate: Fraction | None) -> Extent:
    for times in (SECONDS, FRAMES):
        values = [cells.get(name) for name in times]
        filled = [value for value in values if value is not None and str(value).strip()]
        if len(filled) == 1:
            raise ValueError(f"it has one of {' and '.join(times)} alone")
        if filled and times is SECONDS:
            return TimeRange(*map(seconds_of, filled))
        if filled:
            first, last = map(frame_of, filled)
            return FrameRange(first, last, rate)
    return None


def _labels(cell: Any) -> list[str]:
    return [label_of(text_of_cell(str(label))) for label in labels_of(cell)]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, list | dict | bool) else value


FORMAT = Format("table", SUMMARY, tuple(READERS), is_file, read, takes_frame_rate=True)

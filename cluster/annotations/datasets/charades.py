"""Charades and Charades-Ego: a CSV with `id`, `subject`, `actions` (`c092 11.90 21.20;c147 0.00 12.60`) and `length`.

Seconds; a good part of the ends lies beyond `length`, and some starts after their end. Videos may have no action.
Classes are named where `Charades_v1_classes.txt` lies in the same folder, else numbered; subjects group.
Reference: https://prior.allenai.org/projects/charades
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.delimited import header_of, named_rows
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, seconds_of, split_in
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

COLUMNS = ("id", "actions", "length")
ACTION = re.compile(r"(c\d{3})\s+(\S+)\s+(\S+)")
CLASS_ROW = re.compile(r"(c\d{3})\s+(\S.*)")


def is_file(file: ExportFile) -> bool:
    """Whether it has the columns."""
    return {*COLUMNS} <= {*header_of(file)}


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The actions of all files."""
    found = Findings(export.uri)
    names = _names(export)
    videos: list[AnnotatedVideo] = []
    for file in files:
        with found.at(file.name):
            for place, row in named_rows(file, COLUMNS, found):
                with found.at(place):
                    annotations = tuple(_annotations(row["actions"], names, place))
                    length = seconds_of(row["length"]) if row["length"] else None
                    name, subject = label_of(row["id"], "id"), row.get("subject", "")
                    split = split_in(file.stem)
                    videos.append(
                        AnnotatedVideo(name, annotations, duration_seconds=length, split=split, group=subject)
                    )
    return found.result(videos, names.values())


def _annotations(cell: str, names: Mapping[str, str], place: str) -> Iterator[Annotation]:
    for number, text in enumerate(filter(None, cell.split(";")), 1):
        action = ACTION.fullmatch(text.strip())
        if action is None:
            hint = ": has a spreadsheet taken its ';'?" if len(ACTION.findall(text)) > 1 else ""
            raise ValueError(f"action {number}, {shown(text)}, is not a class with a start and an end{hint}")
        extent = TimeRange(seconds_of(action[2]), seconds_of(action[3]))
        yield Annotation(names.get(action[1], action[1]), extent, f"{place}, action {number}")


def _names(export: Export) -> dict[str, str]:
    """Names of classes by their codes, from the list in the folder."""
    for file in export.files if export.is_folder else ():
        rows = (
            [CLASS_ROW.fullmatch(line.strip()) for line in file.first_lines(1000)] if file.name.endswith(".txt") else []
        )
        if rows and all(rows):
            return {row[1]: row[2] for row in rows if row}
    return {}


FORMAT = Format("charades", "Charades or Charades-Ego", (".csv",), is_file, read)

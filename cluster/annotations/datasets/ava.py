"""AVA and AVA-Kinetics: rows `VIDEO,TIMESTAMP,X1,Y1,X2,Y2,ACTION,PERSON` without a header.

A row says what a person does at a keyframe, which are a second apart and lie in the middle of what was shown to the
annotators: it stands for the half second before and after it, and the rows of one person and action at keyframes that
follow each other are one annotation. Times are those of the original film (0902 to 1798 s), also for the copies that
begin at 900 s. Rows of two cells are keyframes without an action. Actions are numbers from 1, named where a list of
classes (`.pbtxt`) lies in the same folder. Reference: https://research.google.com/ava/download.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.delimited import cells_of, rows_in
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, seconds_of, split_in
from cluster.annotations.findings import Findings
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange
from schemas.numerals import whole_number_of

CELLS, KEYFRAME_CELLS = (7, 8), 2
HALF = Fraction(1, 2)
NAMED = re.compile(r"(?:item|label)\s*\{([^{}]*)\}")
NAME = re.compile(r"""\bname:\s*"((?:[^"\\]|\\.)*)\"""")
ID = re.compile(r"\b(?:id|label_id):\s*(\d{1,9})")


def is_file(file: ExportFile) -> bool:
    """Whether some of its first rows are actions, and all of them actions or keyframes."""
    rows = [cells for _, cells in rows_in(file.first_lines(50), ",")]
    return any(len(cells) in CELLS for cells in rows) and all(_is_row(cells) for cells in rows)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The actions of all files."""
    found = Findings(export.uri)
    names = _names(export, found)
    # Places by video and split, action and person, and time.
    moments: dict[tuple[str, str], dict[tuple[str, str], dict[Fraction, str]]] = {}
    for file in files:
        with found.at(file.name):
            for line, cells in cells_of(file, ","):
                with found.at(place := f"{file.name}, line {line}"):
                    if len(cells) not in (*CELLS, KEYFRAME_CELLS):
                        raise ValueError(
                            f"it has {len(cells)} cells, and not {CELLS[-1]}, or {KEYFRAME_CELLS} for a keyframe"
                        )
                    of_video = moments.setdefault((label_of(cells[0], "video"), split_in(file.stem)), {})
                    time = seconds_of(cells[1])
                    if len(cells) == KEYFRAME_CELLS or not cells[6]:
                        continue
                    action = str(whole_number_of(cells[6]))
                    of_video.setdefault((names.get(action, action), cells[7] if len(cells) > 7 else ""), {})[time] = (
                        place
                    )
    return found.result(
        (
            AnnotatedVideo(name, tuple(_annotations(of_video)), split=split)
            for (name, split), of_video in moments.items()
        ),
        names.values(),
    )


def _annotations(of_video: Mapping[tuple[str, str], Mapping[Fraction, str]]) -> Iterator[Annotation]:
    for (label, person), places in of_video.items():
        times = sorted(places)
        first = times[0]
        attributes = (("person", person),) if person else ()
        for time, following in zip(times, [*times[1:], None], strict=True):
            if following is None or following - time > 1:
                yield Annotation(label, TimeRange(first - HALF, time + HALF), places[first], attributes=attributes)
                first = following or time


def _is_row(cells: Sequence[str]) -> bool:
    try:
        numbers = [seconds_of(cell) for cell in cells[1:] if cell]
    except ValueError:
        return False
    return len(cells) in (*CELLS, KEYFRAME_CELLS) and all(0 <= number <= 1 for number in numbers[1:5])


def _names(export: Export, found: Findings) -> dict[str, str]:
    """Names of actions by number, from the `.pbtxt` of the folder."""
    names: dict[int, str] = {}
    for file in export.files if export.is_folder else ():
        if file.name.lower().endswith(".pbtxt"):
            with found.at(file.name):
                for entry in NAMED.finditer(file.text()):
                    name, number = NAME.search(entry[1]), ID.search(entry[1])
                    if name and number:
                        names[int(number[1])] = label_of(name[1], "name")
    return {str(number): names[number] for number in sorted(names)}


FORMAT = Format("ava", "AVA or AVA-Kinetics", (".csv",), is_file, read)

"""THUMOS14 and MultiTHUMOS: a text file for each class, with rows `VIDEO START END` in seconds.

    CLASS_val.txt, CLASS_test.txt (THUMOS14), CLASS.txt (MultiTHUMOS); detclasslist.txt, class_list.txt: `ID CLASS`

Stretches that are `Ambiguous` are no annotations. A dive from a cliff is a dive as well: two labels, not a duplicate.
Reference: https://www.crcv.ucf.edu/THUMOS14/download.html, http://ai.stanford.edu/~syyeung/everymoment.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, seconds_of, split_in
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

ROW = re.compile(r"\s*(?P<video>[^\s\d]\S*)\s+(?P<start>[\d.]{1,24})\s+(?P<end>[\d.]{1,24})\s*")
CLASS_FILE = re.compile(r"(?P<label>.+?)(?:_(?:val|test|train))?")
CLASS_ROW = re.compile(r"\s*\d{1,6}\s+(\S.*)")
AMBIGUOUS = "ambiguous"
LISTS = ("detclasslist.txt", "class_list.txt", "classes.txt")


def is_file(file: ExportFile) -> bool:
    """Whether all of its first rows are a video with two times."""
    lines = file.first_lines(5)
    return bool(lines) and all(ROW.fullmatch(line) for line in lines)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The rows of all classes."""
    found = Findings(export.uri)
    videos: dict[str, list[Annotation]] = {}
    for file in files:
        named = CLASS_FILE.fullmatch(file.stem)
        label = label_of(named["label"] if named else file.stem, "class")
        with found.at(file.name):
            for number, line in enumerate(file.text().splitlines(), 1):
                place = f"{file.name}, line {number}"
                with found.at(place):
                    row = ROW.fullmatch(line)
                    if not line.strip():
                        continue
                    if row is None:
                        raise ValueError(f"{shown(line)} is not a video with a start and an end in seconds")
                    annotations = videos.setdefault(label_of(row["video"], "video"), [])
                    if label.lower() == AMBIGUOUS:
                        found.note("ambiguous stretches are left out", place)
                        continue
                    annotations.append(
                        Annotation(label, TimeRange(seconds_of(row["start"]), seconds_of(row["end"])), place)
                    )
    return found.result(
        (AnnotatedVideo(name, tuple(its), split=split_in(name)) for name, its in videos.items()),
        _classes(export, found),
    )


def _classes(export: Export, found: Findings) -> list[str]:
    """The classes in the order of their ids, where a list is there."""
    listed = next((file for file in export.files if export.is_folder and file.name.rpartition("/")[2] in LISTS), None)
    if listed is None:
        return []
    with found.at(listed.name):
        rows = [CLASS_ROW.fullmatch(line) for line in listed.text().splitlines() if line.strip()]
        return [label_of(row[1], "class") for row in rows if row]
    return []


FORMAT = Format("thumos", "THUMOS14 or MultiTHUMOS: a text file for each class", (".txt",), is_file, read)

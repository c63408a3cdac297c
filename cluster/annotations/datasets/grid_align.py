"""GRID alignments, `.align`: rows `START END WORD`, in 1/25000 s; `sil` and `sp` are silence and no words.

The same sentence is there from several speakers, so a video is called SPEAKER/SENTENCE where its folder says of whom it
is, and speakers group. Reference: https://spandh.dcs.shef.ac.uk/gridcorpus
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of
from cluster.annotations.findings import Findings
from cluster.datasets.grid_alignment import FOLDERS, ROW, aligned_row
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange


def is_file(file: ExportFile) -> bool:
    """Whether its rows are words with two times."""
    lines = file.first_lines(3)
    return file.name.lower().endswith(".align") and bool(lines) and all(ROW.fullmatch(line) for line in lines)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The words of all files."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    for file in files:
        with found.at(file.name):
            *folders, _last = (part for part in file.name.split("/") if part.lower() not in FOLDERS)
            speaker = folders[-1] if folders else ""
            name = f"{speaker}/{file.stem}" if speaker else file.stem
            videos.append(AnnotatedVideo(name, tuple(_words(file, found)), rate=Fraction(25), group=speaker))
    return found.result(videos)


def _words(file: ExportFile, found: Findings) -> Iterator[Annotation]:
    for number, line in enumerate(file.text().splitlines(), 1):
        if not line.strip():
            continue
        with found.at(place := f"{file.name}, line {number}"):
            row = aligned_row(line)
            if not row.is_silent:
                yield Annotation(label_of(row.word, "word"), TimeRange(row.start_seconds, row.end_seconds), place)


FORMAT = Format("grid", "GRID alignments of words", (".align",), is_file, read)

"""EPIC-KITCHENS-55 and -100: a CSV with `video_id`, `start_timestamp`, `stop_timestamp` (`HH:MM:SS.ss`), `verb`, `noun`
and others.

The class is the action, which is verb and noun (`open door`), or the column that `label_from` names (`verb`, `noun`,
`narration`, `verb_class`); participants group. Timestamps count: the frames of the file number pictures that were
extracted at 60 or 50 a second, whatever the rate of the video. Lists of test segments have no labels.
Reference: https://github.com/epic-kitchens/epic-kitchens-100-annotations
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.delimited import header_of, named_rows
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, label_of, split_in, unknown
from cluster.annotations.findings import Findings
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange
from schemas.numerals import seconds_of_clock

COLUMNS = ("video_id", "start_timestamp", "stop_timestamp")
LEFT_OUT = ("start_timestamp", "stop_timestamp", "start_frame", "stop_frame", "video_id", "narration_timestamp")
VERB, NOUN, PARTICIPANT = "verb", "noun", "participant_id"


def is_file(file: ExportFile) -> bool:
    """Whether it has the columns."""
    return {*COLUMNS} <= {*header_of(file)}


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The segments of all files."""
    found = Findings(export.uri)
    chosen = "" if options.label_from in (NAME, VALUE) else options.label_from
    videos: dict[tuple[str, str], list[Annotation]] = {}
    people: dict[str, str] = {}
    known: dict[str, None] = {}
    for file in files:
        with found.at(file.name):
            for place, row in named_rows(file, COLUMNS, found):
                with found.at(place):
                    known.update(dict.fromkeys(key for key in row if key and key not in LEFT_OUT))
                    name = label_of(row["video_id"], "video_id")
                    person = people.setdefault(name, row.get(PARTICIPANT) or name.partition("_")[0])
                    annotations = videos.setdefault((name, split_in(file.stem)), [])
                    label = row.get(chosen, "") if chosen else f"{row.get(VERB, '')} {row.get(NOUN, '')}".strip()
                    extent = TimeRange(*(seconds_of_clock(row[key]) for key in COLUMNS[1:]))
                    if not label:
                        found.note("segments without a label are left out", place)
                        continue
                    attributes = attributes_of(
                        (key, value) for key, value in row.items() if key and key not in LEFT_OUT
                    )
                    annotations.append(Annotation(label, extent, place, person, attributes))
    if chosen and chosen not in known:
        found.wrong(unknown("column", chosen, [*known]))
    return found.result(
        AnnotatedVideo(name, tuple(annotations), split=split, group=people[name])
        for (name, split), annotations in videos.items()
    )


FORMAT = Format("epic-kitchens", "EPIC-KITCHENS-55 or -100", (".csv",), is_file, read, takes_label_from=True)

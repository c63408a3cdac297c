"""Kinetics-400, -600 and -700: CSV `label,youtube_id,time_start,time_end,split[,is_cc]`, or JSON id → `annotations`
{label, segment} (one object), `subset`.

Times are those of the original video; the files of the data set are cut already and called ID_START_END with six digits
each (`abc_000417_000427`), so each row is a whole video of that name, and those of one original are a group. Lists of
test videos may have no labels. Reference: https://github.com/cvdfoundation/kinetics-dataset
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.delimited import header_of, named_rows
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, member, optional_member, seconds_of, segment_of, text_of
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

COLUMNS = ("youtube_id", "time_start", "time_end", "split")
LABEL = "label"


def is_file(file: ExportFile) -> bool:
    """Whether it has the columns, or maps ids to one annotation each."""
    if not file.name.lower().endswith(".json"):
        return {*COLUMNS} <= {*header_of(file)}
    content = file.json()
    values = [*content.values()][:20] if isinstance(content, dict) else []
    return bool(values) and all(isinstance(one, dict) and isinstance(one.get("annotations"), dict) for one in values)


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The clips of all lists."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    for file in files:
        with found.at(file.name):
            rows = _from_json(file, found) if file.name.lower().endswith(".json") else _from_table(file, found)
            for place, name, segment, label, split in rows:
                with found.at(place):
                    videos.append(_clip(place, name, segment, label, split))
    return found.result(videos)


Row = tuple[str, str, TimeRange, str, str]


def _from_table(file: ExportFile, found: Findings) -> Iterator[Row]:
    for place, row in named_rows(file, COLUMNS, found):
        with found.at(place):
            segment = TimeRange(seconds_of(row["time_start"]), seconds_of(row["time_end"]))
            yield place, label_of(row["youtube_id"], "youtube_id"), segment, row.get(LABEL, ""), row["split"]


def _from_json(file: ExportFile, found: Findings) -> Iterator[Row]:
    content = file.json()
    if not isinstance(content, dict):
        raise ValueError(f"it holds {shown(content)}, not an object with a key for each video")
    for name, video in content.items():
        with found.at(place := f"{file.name}, {shown(name)}"):
            annotation: Mapping[str, Any] = member(video, "annotations", dict)
            segment = segment_of(member(annotation, "segment", list))
            label = text_of(annotation.get(LABEL), LABEL)
            yield place, label_of(name, "id"), segment, label, optional_member(video, "subset", str, "")


def _clip(place: str, name: str, segment: TimeRange, label: str, split: str) -> AnnotatedVideo:
    start, end = (_whole_seconds(seconds) for seconds in (segment.start_seconds, segment.end_seconds))
    attributes = (("youtube_id", name), ("time_start", str(start)), ("time_end", str(end)))
    annotations = (Annotation(label, None, place, attributes=attributes),) if label else ()
    return AnnotatedVideo(f"{name}_{start:06d}_{end:06d}", annotations, split=split, group=name)


def _whole_seconds(seconds: Fraction) -> int:
    if seconds < 0:
        raise ValueError(f"{float(seconds):g} s is before the start of the video")
    return int(seconds)


FORMAT = Format("kinetics", "Kinetics-400, -600 and -700", (".csv", ".json"), is_file, read)

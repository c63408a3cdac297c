"""HACS Clips: a CSV `classname,youtube_id,subset,start,end,label`, in seconds; -1 is a negative sample of its class,
which is no annotation. HACS Segments has ActivityNet's form. Reference: http://hacs.csail.mit.edu
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.delimited import header_of, named_rows
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import label_of, seconds_of
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

COLUMNS = ("classname", "youtube_id", "subset", "start", "end", "label")
POSITIVE, NEGATIVE = 1, -1


def is_file(file: ExportFile) -> bool:
    """Whether it has its columns."""
    return {*COLUMNS} <= {*header_of(file)}


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The positive clips of all files."""
    found = Findings(export.uri)
    videos: dict[tuple[str, str], list[Annotation]] = {}
    for file in files:
        with found.at(file.name):
            for place, row in named_rows(file, COLUMNS[:2], found):
                with found.at(place):
                    of_video = videos.setdefault((label_of(row["youtube_id"], "youtube_id"), row.get("subset", "")), [])
                    if row.get("label") is None or not row.get("start"):
                        continue  # a list of the test videos
                    sign = seconds_of(row["label"])
                    if sign not in (POSITIVE, NEGATIVE):
                        raise ValueError(f"label {shown(row['label'])} is neither {POSITIVE} nor {NEGATIVE}")
                    if sign == NEGATIVE:
                        found.note("negative samples are left out", place)
                        continue
                    extent = TimeRange(seconds_of(row["start"]), seconds_of(row.get("end", "")))
                    of_video.append(Annotation(label_of(row["classname"], "classname"), extent, place))
    return found.result(
        AnnotatedVideo(name, tuple(annotations), split=subset) for (name, subset), annotations in videos.items()
    )


FORMAT = Format("hacs-clips", "HACS Clips", (".csv",), is_file, read)

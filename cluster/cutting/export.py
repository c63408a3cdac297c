"""Plain lists of annotations, until the readers of exports are there: CSV with video, label, start_seconds, end_seconds."""

from __future__ import annotations

import csv
import io
from collections import defaultdict

from cluster.cutting.config import CuttingOptions
from cluster.datasets.manifest import ManifestError
from cluster.datasets.text_files import decoded
from cluster.storage import files
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, FrameRange, TimeRange
from schemas.numerals import number_of, whole_number_of


def read_export(options: CuttingOptions) -> AnnotationSet:
    """The annotations that the options name."""
    found: dict[str, list[Annotation]] = defaultdict(list)
    splits: dict[str, str] = {}
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(decoded(files.read_bytes(options.annotations)))), 2):
            extent: Extent = None
            if row.get("first_frame"):
                extent = FrameRange(whole_number_of(row["first_frame"]), whole_number_of(row["last_frame"]))
            elif row.get("start_seconds"):
                extent = TimeRange(number_of(row["start_seconds"]), number_of(row["end_seconds"]))
            label = (row.get("label") or "").strip()
            found[row["video"]].append(Annotation(label, extent, f"line {number}", row.get("group") or ""))
            splits[row["video"]] = row.get("split") or ""
    except (OSError, ValueError, KeyError) as error:
        raise ManifestError(options.annotations, [str(error)]) from error
    return AnnotationSet(tuple(AnnotatedVideo(n, tuple(a), split=splits[n]) for n, a in found.items()), (), ())

"""Datumaro JSON: items that are frames or videos, with label annotations.

    annotations/SUBSET.json: `categories` (`label.labels[].name`), `items` (`id`, `annotations[{type, label_id}]` and
    `video` {path, start_frame, end_frame, step}, `video_frame` {video_path, frame_index} or `attr` {frame})

Frames count from 0, and `end_frame` is included. Labels of frames that follow each other are one annotation. An item
without a video is a frame of the one that its id begins with (`NAME/frame_000012`), else of one called after the file.
Boxes and other shapes are left out. Reference: https://openvinotoolkit.github.io/datumaro
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, member, optional_member, text_of
from cluster.annotations.findings import Findings
from cluster.annotations.runs import FrameRuns
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, FrameRange

FRAME_ID = re.compile(r"(?:(?P<video>.+)/)?(?:frame_?)?(?P<frame>\d{1,12})", re.IGNORECASE)
DEFAULT_SUBSET = "default"


def is_file(file: ExportFile) -> bool:
    """Whether it has categories and items."""
    content = file.json()
    return isinstance(content, dict) and isinstance(content.get("items"), list) and "categories" in content


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The labels of all subsets."""
    found = Findings(export.uri)
    reader = _Reader(found)
    for file in files:
        with found.at(file.name):
            reader.add(file)
    return found.result(reader.videos(), reader.classes)


class _Reader:
    def __init__(self, found: Findings) -> None:
        self.classes: dict[str, None] = {}
        self._found = found
        self._annotations: dict[tuple[str, str], list[Annotation]] = {}  # by video and split
        self._runs: dict[tuple[str, str], FrameRuns] = {}

    def add(self, file: ExportFile) -> None:
        content = file.json()
        categories = optional_member(member(content, "categories", dict), "label", dict, {})
        names = [label_of(member(one, "name", str)) for one in optional_member(categories, "labels", list, [])]
        self.classes.update(dict.fromkeys(names))
        split = "" if file.stem.lower() == DEFAULT_SUBSET else file.stem
        for number, item in enumerate(member(content, "items", list), 1):
            with self._found.at(place := f"{file.name}, item {number}"):
                labels = [*self._labels(item, names, place)]
                video, extent = self._extent(item, file)
                self._annotations.setdefault((video, split), [])
                for label, attributes in labels:
                    if isinstance(extent, int):
                        self._runs.setdefault((video, split), FrameRuns()).add(label, extent, place, attributes)
                    else:
                        self._annotations[video, split].append(Annotation(label, extent, place, "", attributes))

    def videos(self) -> Iterator[AnnotatedVideo]:
        for (name, split), of_video in self._annotations.items():
            runs = self._runs[name, split].annotations() if (name, split) in self._runs else ()
            yield AnnotatedVideo(name, (*of_video, *runs), split=split)

    def _labels(self, item: Any, names: Sequence[str], place: str) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        for annotation in optional_member(item, "annotations", list, []):
            if member(annotation, "type", str) != "label":
                self._found.note("shapes and other annotations that are no labels are left out", place)
                continue
            index = frame_of(member(annotation, "label_id", int))
            if index >= len(names):
                raise ValueError(f"label_id {index} is not in the categories, which are {len(names)}")
            values: Mapping[str, Any] = optional_member(annotation, "attributes", dict, {})
            yield (
                names[index],
                attributes_of((key, value) for key, value in values.items() if not isinstance(value, dict)),
            )

    def _extent(self, item: Any, file: ExportFile) -> tuple[str, Extent | int]:
        """The video of an item, and its range, or the number of its frame."""
        video, frame = (optional_member(item, key, dict, {}) for key in ("video", "video_frame"))
        if video:
            start, end = video.get("start_frame"), video.get("end_frame")
            name = label_of(member(video, "path", str), "path")
            if end is None and not start:
                return name, None
            if end is None:
                raise ValueError(f"its range {shown(video)} has no end_frame")
            return name, FrameRange(frame_of(start or 0), frame_of(end))
        if frame:
            return label_of(member(frame, "video_path", str), "video_path"), frame_of(frame.get("frame_index"))
        name = member(item, "id", str)
        by_name = FRAME_ID.fullmatch(name)
        number = optional_member(item, "attr", dict, {}).get("frame", by_name["frame"] if by_name else None)
        if number is None:
            raise ValueError(f"it is no frame of a video: its id {shown(name)} has no number, and it has no 'video'")
        called = by_name["video"] if by_name else ""
        if not called:
            self._found.note("frames do not say of which video they are: it is called after the file", file.name)
        return text_of(called, "id") or file.stem, frame_of(number)


FORMAT = Format("datumaro", "Datumaro: items that are videos or their frames", (".json",), is_file, read)

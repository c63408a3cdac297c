"""Datumaro JSON: items that are frames or videos, with label annotations.

    annotations/SUBSET.json: `categories` (`label.labels[].name`), `items` (`id`, `annotations[{type, label_id}]` and
    `video` {path, start_frame, end_frame, step}, `video_frame` {video_path, frame_index} or `attr` {frame})

Frames count from 0, and `end_frame` is included. Labels of frames that follow each other are one annotation; where the
items of a video are every Nth frame, with or without labels, each one stands for N. An item without a video is a frame
of the one that its id begins with (`NAME/frame_000012`), else of one called after the file. Subsets that are no splits
count as none. Boxes and other shapes are left out. Reference: https://openvinotoolkit.github.io/datumaro
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import gcd
from typing import Any, TypeAlias

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, member, optional_member, split_in, text_of
from cluster.annotations.findings import Findings
from cluster.annotations.runs import FrameRuns
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, FrameRange

Attributes: TypeAlias = tuple[tuple[str, str], ...]
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
        # By video and split; of frames, label, place and attributes.
        self._annotations: dict[tuple[str, str], list[Annotation]] = {}
        self._frames: dict[tuple[str, str], dict[int, list[tuple[str, str, Attributes]]]] = {}

    def add(self, file: ExportFile) -> None:
        content = file.json()
        categories = optional_member(member(content, "categories", dict), "label", dict, {})
        names = [label_of(member(one, "name", str)) for one in optional_member(categories, "labels", list, [])]
        self.classes.update(dict.fromkeys(names))
        split = split_in(file.stem)
        if not split and file.stem.lower() != DEFAULT_SUBSET:
            self._found.note("subsets that are none of train, validation and test are no splits", file.name)
        for number, item in enumerate(member(content, "items", list), 1):
            with self._found.at(place := f"{file.name}, item {number}"):
                labels = [*self._labels(item, names, place)]
                video, extent = self._extent(item, file)
                of_video = self._annotations.setdefault((video, split), [])
                if isinstance(extent, int):
                    at_frame = self._frames.setdefault((video, split), {}).setdefault(extent, [])
                    at_frame += [(label, place, attributes) for label, attributes in labels]
                else:
                    of_video += [Annotation(label, extent, place, attributes=more) for label, more in labels]

    def videos(self) -> Iterator[AnnotatedVideo]:
        for (name, split), of_video in self._annotations.items():
            runs = self._runs(name, self._frames.get((name, split), {}))
            yield AnnotatedVideo(name, (*of_video, *runs), split=split)

    def _runs(self, video: str, frames: Mapping[int, Sequence[tuple[str, str, Attributes]]]) -> tuple[Annotation, ...]:
        step = _step([*frames])
        if step > 1:
            self._found.note(f"where the items of a video are every {step}th frame, each one stands for {step}", video)
        runs = FrameRuns(step)
        for frame, labels in frames.items():
            for label, place, attributes in labels:
                runs.add(label, frame, place, attributes)
        return runs.annotations()

    def _labels(self, item: Any, names: Sequence[str], place: str) -> Iterator[tuple[str, Attributes]]:
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


def _step(frames: Sequence[int]) -> int:
    """How far frames are apart that were taken at equal distances, a few missing ones aside; 1 for all others."""
    distances = [following - frame for frame, following in pairwise(sorted(frames))]
    step = gcd(*distances)
    return step if len(distances) > 1 and 2 * distances.count(step) > len(distances) else 1


FORMAT = Format("datumaro", "Datumaro: items that are videos or their frames", (".json",), is_file, read)

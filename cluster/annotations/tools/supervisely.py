"""Supervisely video projects: a project's folder, a dataset of it, or the annotation of one video.

    PROJECT/meta.json, PROJECT/DATASET/video/NAME.EXT, PROJECT/DATASET/ann/NAME.EXT.json; datasets may nest

Frames count from 0, and both ends of `frameRange` are included: an unfinished tag has the same frame twice. A tag
without range holds for the whole video, or where it is a tag of an object, from the first to the last frame in which
the object is drawn. The class is the tag's name, its value (`label_from` `value`), or the value of one tag alone
(`label_from` TAG). A tag that `group_from` names groups its video, and is no class.
Reference: https://developer.supervisely.com/getting-started/supervisely-annotation-format/videos
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, member, optional_member, text_of, unknown
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, FrameRange

IN_PROJECT = re.compile(r"(?P<dataset>(?:.*/)?)ann/(?P<item>[^/]+)\.json", re.IGNORECASE)
META, COUNT = "meta.json", "framesCount"


def is_file(file: ExportFile) -> bool:
    """Whether it is the annotation of a video."""
    if IN_PROJECT.fullmatch(file.name):
        return b'"imageId"' not in file.head
    content = _unwrapped(file.json())
    return isinstance(content, dict) and COUNT in content and ("frames" in content or "tags" in content)


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The tags of the videos."""
    found = Findings(export.uri)
    reader = _Reader(found, options)
    videos = []
    for file in files:
        with found.at(file.name):
            videos.append(reader.video(file, _unwrapped(file.json())))
    if options.label_from not in ("", NAME, VALUE, *reader.tags):
        found.wrong(unknown("tag", options.label_from, [*reader.tags]))
    return found.result(videos, _classes(export, options, found))


class _Reader:
    def __init__(self, found: Findings, options: ReadOptions) -> None:
        self.tags: dict[str, None] = {}  # all names, in the order of their first use
        self._found = found
        self._options = options

    def video(self, file: ExportFile, content: Any) -> AnnotatedVideo:
        count = frame_of(member(content, COUNT, int))
        annotations: list[Annotation] = []
        groups: list[str] = []
        for number, tag in enumerate(optional_member(content, "tags", list, []), 1):
            place = f"{file.name}, tag {number}"
            with self._found.at(place):
                annotations += self._annotations(tag, place, _range(tag), groups)
        drawn = _drawn_frames(content) if any(_tags_of(content)) else {}
        for number, entry in enumerate(optional_member(content, "objects", list, []), 1):
            for tag_number, tag in enumerate(optional_member(entry, "tags", list, []), 1):
                place = f"{file.name}, object {number}, tag {tag_number}"
                with self._found.at(place):
                    extent = _range(tag) or next((drawn[name] for name in _names(entry) if name in drawn), None)
                    if extent is None and tag.get(NAME) != self._options.group_from:
                        self._found.note("tags of objects that no frame shows are left out", place)
                        continue
                    annotations += self._annotations(
                        tag, place, extent, groups, text_of(entry.get("classTitle"), "class")
                    )
        if len({*groups}) > 1:
            self._found.note(f"tags {self._options.group_from!r} differ, and the first one counts", file.name)
        grouping = attributes_of([(self._options.group_from, groups[0])]) if groups else ()
        grouped = (replace(one, attributes=(*one.attributes, *grouping)) for one in annotations)
        return AnnotatedVideo(_name(file, content), tuple(grouped), count)

    def _annotations(
        self, tag: Any, place: str, extent: Extent, groups: list[str], entry: str = ""
    ) -> Iterator[Annotation]:
        name, value = label_of(member(tag, NAME, str), "name"), text_of(tag.get(VALUE), VALUE)
        self.tags[name] = None
        chosen = self._options.label_from or NAME
        if name == self._options.group_from:
            groups += filter(None, [value])
            return
        if chosen not in (NAME, VALUE, name):
            self._found.note(f"tags other than {chosen!r} are left out", place)
            return
        if chosen != NAME and not value:
            if chosen != VALUE:
                self._found.note(f"tags {chosen!r} without a value are left out", place)
                return
            self._found.note("tags without a value have their name as class", place)
        label = value if chosen != NAME and value else name
        others = {"tag": name} if label == value and chosen != NAME else {name: value}
        yield Annotation(label, extent, place, attributes=attributes_of({**others, "object": entry}.items()))


def _unwrapped(content: Any) -> Any:
    """The annotation, which downloads through the API hold as `annotation`."""
    inner = content.get("annotation") if isinstance(content, dict) else None
    return {**content, **inner} if isinstance(inner, dict) else content


def _range(tag: Any) -> FrameRange | None:
    limits = optional_member(tag, "frameRange", list, [])
    if not limits:
        return None
    if len(limits) != 2:
        raise ValueError(f"frameRange {shown(limits)} is not a first and a last frame")
    return FrameRange(frame_of(limits[0]), frame_of(limits[1]))


def _tags_of(content: Any) -> Iterator[Any]:
    for entry in optional_member(content, "objects", list, []):
        yield from optional_member(entry, "tags", list, [])


def _drawn_frames(content: Any) -> dict[str, FrameRange]:
    """By object, from the first to the last frame in which it is drawn."""
    drawn: dict[str, FrameRange] = {}
    for frame in optional_member(content, "frames", list, []):
        index = frame_of(member(frame, "index", int))
        for figure in optional_member(frame, "figures", list, []):
            for name in _names(figure, "objectKey", "objectId"):
                before = drawn.get(name, FrameRange(index, index))
                drawn[name] = FrameRange(min(before.first, index), max(before.last, index))
    return drawn


def _names(entry: Any, key: str = "key", number: str = "id") -> list[str]:
    """By which figures and their object know each other: its key, its number on the server, or both."""
    values = [entry.get(key), entry.get(number)] if isinstance(entry, dict) else []
    return [str(value) for value in values if value is not None]


def _name(file: ExportFile, content: Any) -> str:
    in_project = IN_PROJECT.fullmatch(file.name)
    if in_project:
        return f"{in_project['dataset']}video/{in_project['item']}"
    return text_of(content.get("videoName"), "videoName") or file.name.removesuffix(".json")


def _classes(export: Export, options: ReadOptions, found: Findings) -> list[str]:
    """The classes in the order of the project's `meta.json`, where it is there."""
    meta = next((file for file in export.files if export.is_folder and file.name.rpartition("/")[2] == META), None)
    classes: list[str] = []
    if meta is None or options.label_from == VALUE:
        return classes
    with found.at(meta.name):
        for tag in optional_member(meta.json(), "tags", list, []):
            name = label_of(member(tag, NAME, str), "name")
            if options.label_from in ("", NAME) and name != options.group_from:
                classes.append(name)
            elif options.label_from == name:
                classes += [label_of(value, "value") for value in optional_member(tag, "values", list, [])]
    return classes


FORMAT = Format(
    "supervisely",
    "Supervisely: a video project, a dataset or one annotation",
    (".json",),
    is_file,
    read,
    takes_label_from=True,
)

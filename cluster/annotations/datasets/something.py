"""Something-Something v2: a JSON list of `id`, `label`, `template` and `placeholders`; each video is one clip.

The class is the template without its brackets (`Opening [something]` → `Opening something`). The list of classes,
template → index as text, orders them where it lies in the same folder; lists of test videos have ids alone.
 Reference: https://www.qualcomm.com/developer/software/something-something-v-2-dataset
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.annotations.base import Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, label_of, member, optional_member, split_in
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet
from schemas.numerals import natural_number_of


def is_file(file: ExportFile) -> bool:
    """Whether it is a list of videos with templates, or of ids alone."""
    content = file.json()
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and ("template" in first or [*first] == ["id"])


def read(export: Export, files: Sequence[ExportFile], _: ReadOptions) -> AnnotationSet:
    """The clips of all lists."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    for file in files:
        with found.at(file.name):
            content = file.json()
            if not isinstance(content, list):
                raise ValueError(f"it holds {shown(content)}, not a list of videos")
            for number, entry in enumerate(content, 1):
                with found.at(place := f"{file.name}, entry {number}"):
                    videos.append(_video(entry, place, split_in(file.stem)))
    return found.result(videos, _classes(export, found))


def _video(entry: Any, place: str, split: str) -> AnnotatedVideo:
    name = label_of(member(entry, "id", object), "id")
    if "template" not in entry:
        return AnnotatedVideo(name, (), split=split)
    attributes = attributes_of([("description", optional_member(entry, "label", str, ""))])
    return AnnotatedVideo(
        name, (Annotation(_class(entry["template"]), None, place, attributes=attributes),), split=split
    )


def _class(template: Any) -> str:
    return label_of(label_of(template, "template").replace("[", "").replace("]", ""), "template")


def _classes(export: Export, found: Findings) -> list[str]:
    """The templates in the order of their indices."""
    for file in export.with_suffix(FORMAT.suffixes) if export.is_folder else ():
        with found.at(file.name):
            content = file.json()
            numbers = {k: natural_number_of(str(v)) for k, v in content.items()} if isinstance(content, dict) else {}
            if numbers and all(number is not None for number in numbers.values()):
                return [_class(template) for template in sorted(numbers, key=lambda one: numbers[one] or 0)]
    return []


FORMAT = Format("something-something", "Something-Something v2", (".json",), is_file, read)

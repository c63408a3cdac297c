"""CVAT for images 1.1 of a video: frame tags, one a frame, which runs of frames make annotations of.

`image@id` is the frame of the source, from 0, and frames follow each other at the task's step. A run ends where the tag
is missing, or, with `label_from` ATTRIBUTE, where the attribute's value changes. Shapes have no identity from one image
to the next and are left out: 'CVAT for video' exports their tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, unknown
from cluster.annotations.findings import Findings
from cluster.annotations.runs import FrameRuns
from cluster.annotations.tools.cvat_meta import CvatMeta, read_meta
from cluster.annotations.tools.cvat_video import META, ROOT, SHAPES, first_content
from cluster.annotations.xml_elements import Event, XmlElement, elements, root_of
from schemas.annotations import AnnotatedVideo, AnnotationSet

IMAGE, TAG = "image", "tag"


def is_file(file: ExportFile) -> bool:
    """Whether it has images."""
    return root_of(file.head) == ROOT and first_content(file, (IMAGE, "track"), "annotation") == IMAGE


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The runs of frame tags."""
    found = Findings(export.uri)
    reader = _Reader(found, options.label_from)
    for file in files:
        with found.at(file.name), file.open() as stream:
            meta: CvatMeta | None = None
            image: XmlElement | None = None
            for event, element in elements(stream, (META, TAG, *SHAPES)):
                if element.name == META and event is Event.WHOLE:
                    meta = read_meta(element, file, found)
                    reader.add_meta(meta)
                elif element.name == IMAGE:
                    image = element if event is Event.OPENS else None
                elif event is Event.WHOLE and image is not None:
                    if meta is None:
                        raise ValueError(f"line {element.line}: an image comes before <meta>, which names its media")
                    with found.at(
                        place := f"{file.name}, image {image.attributes.get('id', '')} (line {element.line})"
                    ):
                        reader.add(image, element, meta, place)
    if options.label_from not in ("", NAME, *reader.attributes):
        found.wrong(unknown("attribute", options.label_from, [*reader.attributes]))
    return reader.result()


class _Reader:
    def __init__(self, found: Findings, label_from: str) -> None:
        self.attributes: dict[str, None] = {}
        self._found = found
        self._attribute = "" if label_from in (NAME, VALUE) else label_from
        self._labels: dict[str, None] = {}
        self._videos: dict[tuple[str, str], AnnotatedVideo] = {}  # by name and split
        self._runs: dict[tuple[str, str], FrameRuns] = {}

    def add_meta(self, meta: CvatMeta) -> None:
        self._labels.update(dict.fromkeys(meta.labels))
        self.attributes.update(dict.fromkeys(meta.attributes))
        for task in meta.tasks.values():
            place = task.name, task.split
            self._videos.setdefault(place, AnnotatedVideo(task.name, (), task.frame_count, split=task.split))
            self._runs.setdefault(place, FrameRuns(task.step))

    def add(self, image: XmlElement, element: XmlElement, meta: CvatMeta, place: str) -> None:
        if element.name != TAG:
            self._found.note("shapes are left out: export the task as 'CVAT for video' for its tracks", place)
            return
        label = label_of(element.attribute("label"))
        values = element.named_values
        self.attributes.update(dict.fromkeys(values))
        task = meta.task(image.attributes.get("task_id", ""), place)
        frame = frame_of(image.attribute("id"))
        runs = self._runs[task.name, task.split]
        if not self._attribute:
            runs.add(label, frame, place, attributes_of(values.items()))
        elif values.get(self._attribute):
            attributes = attributes_of({"label": label, **values}.items())
            rest = tuple(pair for pair in attributes if pair[0] != self._attribute)
            runs.add(label_of(values[self._attribute]), frame, place, rest)
        else:
            self._found.note(f"tags without a value of {self._attribute!r} are left out", place)

    def result(self) -> AnnotationSet:
        videos = [replace(video, annotations=self._runs[place].annotations()) for place, video in self._videos.items()]
        return self._found.result(videos, () if self._attribute else self._labels)


FORMAT = Format(
    "cvat-images", "CVAT for images 1.1 of a video, its frame tags", (".xml",), is_file, read, takes_label_from=True
)

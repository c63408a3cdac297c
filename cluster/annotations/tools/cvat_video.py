"""CVAT for video 1.1: tracks of one or several videos, in an XML file that is read element by element.

A track lists each frame in which its object is seen, and ends before the first row with `outside="1"`, or with its last
row and the frames up to the next step; frames between two rows that are not listed count as seen. One that comes back
later is another annotation. The class is the track's label, or an attribute's value (`label_from` ATTRIBUTE), and then
a clip also ends where the value changes. A skeleton is outside where all its points are. Numbers are frames of the
source, from 0.
Reference: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, unknown
from cluster.annotations.findings import Findings
from cluster.annotations.tools.cvat_meta import CvatMeta, CvatTask, read_meta
from cluster.annotations.xml_elements import Event, XmlElement, elements, root_of
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, FrameRange

ROOT, TRACK, META = "annotations", "track", "meta"
SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
RATHER = "frame tags stand in its 'CVAT for images' exports alone"


def is_file(file: ExportFile) -> bool:
    """Whether it has tracks, or none but comes from a task of video."""
    return root_of(file.head) == ROOT and first_content(file, (TRACK, "image"), "interpolation") == TRACK


def first_content(file: ExportFile, names: Sequence[str], mode: str) -> str:
    """The first of the elements `names` in a file; the first name where there is none, but the `mode` is this one."""
    is_mode = False
    with file.open() as stream:
        for event, element in elements(stream, (META, *SHAPES)):
            if event is Event.WHOLE and element.name == META:
                is_mode = any(child.child_text("mode") == mode for child in element.children)
            elif event is Event.OPENS and element.name in names:
                return element.name
    return names[0] if is_mode else ""


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The tracks of all files."""
    found = Findings(export.uri)
    videos: dict[tuple[str, str], AnnotatedVideo] = {}  # by name and split
    annotations: dict[tuple[str, str], list[Annotation]] = {}
    labels: dict[str, None] = {}
    attributes: dict[str, None] = {}
    for file in files:
        with found.at(file.name), file.open() as stream:
            for meta, track in _tracks(elements(stream, (META, *SHAPES)), file, found):
                if track is None:
                    labels.update(dict.fromkeys(meta.labels))
                    attributes.update(dict.fromkeys(meta.attributes))
                    for task in meta.tasks.values():
                        video = AnnotatedVideo(task.name, (), task.frame_count, split=task.split)
                        videos.setdefault((task.name, task.split), video)
                    continue
                with found.at(track.place):
                    task = meta.task(track.task_id, track.place)
                    attributes.update(dict.fromkeys(track.names))
                    made = annotations.setdefault((task.name, task.split), [])
                    made += track.annotations(task, options.label_from, found)
    if options.label_from not in ("", NAME, VALUE, *attributes):
        found.wrong(unknown("attribute", options.label_from, [*attributes]))
    return found.result(
        (replace(video, annotations=tuple(annotations.get(place, ()))) for place, video in videos.items()),
        labels if options.label_from in ("", NAME) else (),
    )


@dataclass(slots=True)
class _Row:
    frame: int
    is_outside: bool
    values: Mapping[str, str]


@dataclass(slots=True)
class _Track:
    """A track as far as it has been read; rows that say nothing new are dropped at once."""

    label: str
    task_id: str
    place: str
    names: dict[str, None] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)  # the first one of each run of equal ones
    last_frame: int = -1  # of the last row

    def add(self, shape: XmlElement) -> None:
        values = shape.named_values
        row = _Row(frame_of(shape.attribute("frame")), _is_outside(shape), values)
        if row.frame <= self.last_frame:
            raise ValueError(f"line {shape.line}: frame {row.frame} comes after frame {self.last_frame}")
        self.last_frame = row.frame
        before = self.rows[-1] if self.rows else None
        if before is None or (before.is_outside, before.values) != (row.is_outside, row.values):
            self.rows.append(row)
            self.names.update(dict.fromkeys(values))

    def annotations(self, task: CvatTask, label_from: str, found: Findings) -> Iterator[Annotation]:
        """Its visible stretches, each with one class."""
        chosen = self._attribute(label_from)
        run: list[_Row] = []
        for row in [*self.rows, _Row(self.last_frame + task.step, True, {})]:
            is_same = run and not row.is_outside and (not chosen or row.values.get(chosen) == run[0].values.get(chosen))
            if run and not is_same:
                yield from self._annotation(run, row.frame - 1, chosen, found)
                run = []
            if not row.is_outside:
                run.append(row)

    def _attribute(self, label_from: str) -> str:
        if label_from != VALUE:
            return "" if label_from == NAME else label_from
        if len(self.names) > 1:
            raise ValueError(f"it has several attributes ({', '.join(self.names)}): name one with --label-from")
        return next(iter(self.names), "")

    def _annotation(self, run: Sequence[_Row], last: int, chosen: str, found: Findings) -> Iterator[Annotation]:
        values = run[0].values
        constant = [pair for pair in values.items() if all(pair in row.values.items() for row in run)]
        label = values.get(chosen, "").strip() if chosen else self.label
        if not label:
            found.note(f"tracks without a value of {chosen!r} are left out", self.place)
            return
        named = [("label", self.label), *(pair for pair in constant if pair[0] != chosen)] if chosen else constant
        yield Annotation(label_of(label), FrameRange(run[0].frame, last), self.place, attributes=attributes_of(named))


def _tracks(
    events: Iterator[tuple[Event, XmlElement]], file: ExportFile, found: Findings
) -> Iterator[tuple[CvatMeta, _Track | None]]:
    """The head of a file, and then each of its tracks."""
    meta: CvatMeta | None = None
    track: _Track | None = None
    for event, element in events:
        if event is Event.WHOLE and element.name == META:
            meta = read_meta(element, file, found)
            yield meta, None
        elif event is Event.WHOLE and track is not None:
            with found.at(track.place):
                track.add(element)
        elif element.name == TRACK and event is Event.OPENS:
            track = _Track(
                label_of(element.attribute("label")),
                element.attributes.get("task_id", ""),
                f"{file.name}, track {element.attributes.get('id', '')} (line {element.line})",
            )
        elif element.name == TRACK and event is Event.CLOSES and track is not None:
            if meta is None:
                raise ValueError(f"line {element.line}: a track comes before <meta>, which names its media")
            yield meta, track
            track = None
        elif element.name == "image" and event is Event.OPENS:
            raise ValueError("it is an export as 'CVAT for images': read it as --format cvat-images")
    if meta is None:
        raise ValueError(f"it has no <{META}>, which names its media")


def _is_outside(shape: XmlElement) -> bool:
    points = [child for child in shape.children if "outside" in child.attributes]
    if "outside" in shape.attributes or not points:
        return shape.attributes.get("outside") == "1"
    return all(point.attributes["outside"] == "1" for point in points)


FORMAT = Format(
    "cvat-video", f"CVAT for video 1.1, its tracks ({RATHER})", (".xml",), is_file, read, takes_label_from=True
)

"""ANVIL `.anvil` files: elements on tracks, in seconds; XML that is often UTF-16.

Elements of primary tracks have times of their own. Those of other tracks refer to a track: a span goes from one of its
elements to another one, by number, and a singleton is one of them; subdivisions have times. The class is the value of
an element's only attribute, of the one that `label_from` names, or the track's name (`label_from` `name`).
Reference: https://www.anvil-software.org
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, seconds_of, text_of, unknown
from cluster.annotations.findings import Findings
from cluster.annotations.xml_elements import Event, XmlElement, elements, root_of
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

PRIMARY, SPAN, SINGLETON = "primary", "span", "singleton"


@dataclass(slots=True)
class _Track:
    name: str
    kind: str
    ref: str
    elements: dict[str, XmlElement] = field(default_factory=dict)  # by index


def is_file(file: ExportFile) -> bool:
    """Whether it is an ANVIL annotation."""
    return root_of(file.head) == "annotation" and file.name.lower().endswith(".anvil")


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The elements of all files."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    known: dict[str, None] = {}
    for file in files:
        with found.at(file.name):
            name, tracks = _parsed(file, found)
            everything = [one for track in tracks.values() for one in track.elements.values()]
            known.update(dict.fromkeys(key for one in everything for key in one.named_values))
            annotations = tuple(_annotations(tracks, file, options.label_from, found))
            videos.append(AnnotatedVideo(name, annotations))
    if options.label_from not in ("", NAME, VALUE, *known):
        found.wrong(unknown("attribute", options.label_from, [*known]))
    return found.result(videos)


def _parsed(file: ExportFile, found: Findings) -> tuple[str, dict[str, _Track]]:
    names: list[str] = []
    tracks: dict[str, _Track] = {}
    track: _Track | None = None
    with file.open() as stream:
        for event, element in elements(stream, ("head", "el")):
            with found.at(f"{file.name}, line {element.line}"):
                if element.name == "head":
                    names = [one.attribute("src") for one in element.children if one.name == "video"]
                elif element.name == "track" and event is Event.OPENS:
                    values = element.attributes
                    track = _Track(
                        element.attribute("name"), values.get("type", PRIMARY).lower(), values.get("ref", "")
                    )
                    tracks[track.name] = track
                elif element.name == "el" and track is not None:
                    track.elements[element.attributes.get("index", str(len(track.elements)))] = element
    name = posixpath.basename(names[0].replace("\\", "/")) if names else ""
    if not name:
        found.note("it names no video, so that is called after the file", file.name)
    return text_of(name, "video") or file.stem, tracks


def _annotations(
    tracks: Mapping[str, _Track], file: ExportFile, label_from: str, found: Findings
) -> Iterator[Annotation]:
    for track in tracks.values():
        for index, element in track.elements.items():
            place = f"{file.name}, track {track.name!r}, element {index} (line {element.line})"
            with found.at(place):
                values = element.named_values
                label = _label(track, values, label_from)
                if not label:
                    found.note("elements without a value are left out", place)
                    continue
                extent = _extent(tracks, track, element, 0)
                others = [("track", track.name), *(pair for pair in values.items() if pair[1] != label)]
                yield Annotation(label, extent, place, attributes=attributes_of(others))


def _label(track: _Track, values: Mapping[str, str], label_from: str) -> str:
    if label_from not in ("", VALUE):
        return track.name if label_from == NAME else values.get(label_from, "")
    if len(values) > 1:
        raise ValueError(f"it has several attributes ({', '.join(values)}): name one with --label-from")
    return next(iter(values.values()), track.name if not label_from else "")


def _extent(tracks: Mapping[str, _Track], track: _Track, element: XmlElement, depth: int) -> TimeRange:
    if depth > len(tracks):
        raise ValueError(f"track {track.name!r} refers to itself")
    if track.kind not in (SPAN, SINGLETON):
        return TimeRange(seconds_of(element.attribute("start")), seconds_of(element.attribute("end")))
    referred = tracks.get(track.ref)
    if referred is None:
        raise ValueError(f"it refers to track {track.ref!r}, which is not there")
    ends = [element.attribute(key) for key in (("start", "end") if track.kind == SPAN else ("ref", "ref"))]
    found = [referred.elements.get(str(frame_of(end))) for end in ends]
    first, last = found
    if first is None or last is None:
        raise ValueError(f"it refers to elements {ends[0]} to {ends[1]} of {track.ref!r}, which are not there")
    start, end = (_extent(tracks, referred, one, depth + 1) for one in (first, last))
    return TimeRange(start.start_seconds, end.end_seconds)


FORMAT = Format("anvil", "ANVIL annotations", (".anvil",), is_file, read, takes_label_from=True)

"""ELAN `.eaf`: annotations on tiers, of one or several media.

Times are milliseconds (or frames, as `TIME_UNITS` says) plus the `TIME_ORIGIN` of a medium. Slots without a time, which
subdivisions make, are spaced equally between their neighbours in the tier. An annotation that refers to another one has
its times. The class is the annotation's value, the tier's name (`label_from` `name`), or the values of one tier alone
(`label_from` TIER); `group_from` `participant` groups by the participants of the tiers, which are in one recording and
are no groups otherwise. Each video of the file is one here, and all are one group.
Reference: https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, seconds_of, text_of, unknown
from cluster.annotations.findings import Findings
from cluster.annotations.xml_elements import Event, XmlElement, elements, root_of
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange

ROOT = "ANNOTATION_DOCUMENT"
UNIT_SECONDS = {
    "milliseconds": Fraction(1, 1000),
    "ntsc-frames": Fraction(1001, 30000),
    "pal-frames": Fraction(1, 25),
    "pal-50-frames": Fraction(1, 50),
}
ABSOLUTE = re.compile(r"(?:file:)?/|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*://")
RELATIVE = re.compile(r"(?:file:/{0,3})?(?:\./)*")
ALIGNED, REFERRING = "ALIGNABLE_ANNOTATION", "REF_ANNOTATION"


@dataclass(slots=True)
class _Entry:
    """An annotation: its slots, or the id of the one whose times it has."""

    value: str
    line: int
    slots: tuple[str, str] | None
    parent: str = ""


@dataclass(slots=True)
class _Tier:
    name: str
    participant: str
    entries: dict[str, _Entry] = field(default_factory=dict)


@dataclass(slots=True)
class _Document:
    unit_seconds: Fraction = UNIT_SECONDS["milliseconds"]
    media: list[XmlElement] = field(default_factory=list)
    times: dict[str, Fraction | None] = field(default_factory=dict)  # by slot, in the order of the file
    tiers: list[_Tier] = field(default_factory=list)


def is_file(file: ExportFile) -> bool:
    """Whether it is an ELAN document."""
    return root_of(file.head) == ROOT


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The annotations of all documents."""
    found = Findings(export.uri)
    videos: list[AnnotatedVideo] = []
    tiers: dict[str, None] = {}
    for file in files:
        with found.at(file.name):
            document = _parsed(file, found)
            tiers.update(dict.fromkeys(tier.name for tier in document.tiers))
            videos += _videos(document, file, options.label_from, found)
    if options.label_from not in ("", NAME, VALUE, *tiers):
        found.wrong(unknown("tier", options.label_from, [*tiers]))
    return found.result(videos, tiers if options.label_from == NAME else ())


def _parsed(file: ExportFile, found: Findings) -> _Document:
    document = _Document()
    with file.open() as stream:
        for event, element in elements(stream, ("HEADER", "TIME_SLOT", "ANNOTATION")):
            with found.at(f"{file.name}, line {element.line}"):
                if element.name == "HEADER":
                    unit = element.attributes.get("TIME_UNITS", "milliseconds")
                    if unit.lower() not in UNIT_SECONDS:
                        raise ValueError(f"TIME_UNITS {unit!r} is none of {', '.join(UNIT_SECONDS)}")
                    document.unit_seconds = UNIT_SECONDS[unit.lower()]
                    document.media = [child for child in element.children if child.name == "MEDIA_DESCRIPTOR"]
                elif element.name == "TIME_SLOT":
                    time = element.attributes.get("TIME_VALUE")
                    seconds = None if time is None else seconds_of(time) * document.unit_seconds
                    document.times[element.attribute("TIME_SLOT_ID")] = seconds
                elif element.name == "TIER" and event is Event.OPENS:
                    name, who = element.attribute("TIER_ID"), element.attributes.get("PARTICIPANT", "")
                    document.tiers.append(_Tier(text_of(name, "TIER_ID"), text_of(who, "PARTICIPANT")))
                elif element.name == "ANNOTATION" and document.tiers:
                    _add_entry(document.tiers[-1], element)
    return document


def _add_entry(tier: _Tier, element: XmlElement) -> None:
    for child in element.children:
        value = text_of(child.child_text("ANNOTATION_VALUE"), "ANNOTATION_VALUE")
        if child.name == ALIGNED:
            slots = child.attribute("TIME_SLOT_REF1"), child.attribute("TIME_SLOT_REF2")
            tier.entries[child.attribute("ANNOTATION_ID")] = _Entry(value, child.line, slots)
        elif child.name == REFERRING:
            parent = child.attribute("ANNOTATION_REF")
            tier.entries[child.attribute("ANNOTATION_ID")] = _Entry(value, child.line, None, parent)


def _videos(document: _Document, file: ExportFile, label_from: str, found: Findings) -> Iterator[AnnotatedVideo]:
    annotations = tuple(_annotations(document, file, label_from, found))
    media = [one for one in document.media if one.attributes.get("MIME_TYPE", "").lower().startswith("video")]
    left = [one for one in document.media if one not in media]
    if media and left:
        found.note("media that are not videos are left out", f"{file.name}: {_media_name(left[0])}")
    media = media or left
    if not media:
        found.note("it names no media, so they are called after the file", file.name)
        yield AnnotatedVideo(file.stem, annotations)
    for one in media:
        with found.at(f"{file.name}, line {one.line}"):
            origin = seconds_of(one.attributes.get("TIME_ORIGIN") or 0) * UNIT_SECONDS["milliseconds"]
            group = file.stem if len(media) > 1 else ""
            yield AnnotatedVideo(_media_name(one), tuple(_moved(annotations, origin)), group=group)


def _media_name(media: XmlElement) -> str:
    """The relative path, or the last part of the absolute one, which is of another machine."""
    relative = media.attributes.get("RELATIVE_MEDIA_URL", "").replace("\\", "/")
    url = RELATIVE.sub("", relative, count=1) if relative else media.attributes.get("MEDIA_URL", "").replace("\\", "/")
    name = posixpath.basename(url) if not relative or ABSOLUTE.match(url) else url
    if not name:
        raise ValueError("a medium without a name")
    return text_of(name, "media name")


def _moved(annotations: Sequence[Annotation], seconds: Fraction) -> Iterator[Annotation]:
    for one in annotations:
        assert isinstance(one.extent, TimeRange)
        extent = TimeRange(one.extent.start_seconds + seconds, one.extent.end_seconds + seconds)
        yield Annotation(one.label, extent, one.source, one.group, one.attributes)


def _annotations(document: _Document, file: ExportFile, label_from: str, found: Findings) -> Iterator[Annotation]:
    entries = {key: entry for tier in document.tiers for key, entry in tier.entries.items()}
    times: dict[str, Fraction] = {slot: time for slot, time in document.times.items() if time is not None}
    for tier in document.tiers:
        times.update(_spaced([entry.slots for entry in tier.entries.values() if entry.slots], times))
    times = {**_spaced_in_order(document.times), **times}
    for tier in document.tiers:
        if label_from not in ("", NAME, VALUE, tier.name):
            continue
        for key, entry in tier.entries.items():
            place = f"{file.name}, tier {tier.name!r}, annotation {key} (line {entry.line})"
            with found.at(place):
                label = tier.name if label_from == NAME else entry.value
                if not label:
                    found.note("annotations without a value are left out", place)
                    continue
                start, end = (_time(times, slot) for slot in _slots(entry, entries))
                value = entry.value if label_from == NAME else ""
                attributes = attributes_of([("tier", tier.name), ("participant", tier.participant), ("value", value)])
                yield Annotation(label, TimeRange(start, end), place, attributes=attributes)


def _slots(entry: _Entry, entries: Mapping[str, _Entry]) -> tuple[str, str]:
    """The slots of an annotation, or of the one it refers to in the end."""
    passed: set[str] = set()
    while entry.slots is None:
        if entry.parent in passed:
            raise ValueError(f"it refers to itself by way of {entry.parent!r}")
        passed.add(entry.parent)
        if entry.parent not in entries:
            raise ValueError(f"it refers to annotation {entry.parent!r}, which is not there")
        entry = entries[entry.parent]
    return entry.slots


def _time(times: Mapping[str, Fraction], slot: str) -> Fraction:
    if slot not in times:
        raise ValueError(f"time slot {slot!r} is not there, or has no time and no neighbours that have one")
    return times[slot]


def _spaced(spans: Sequence[tuple[str, str]], times: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Times of slots that have none, in chains of annotations that share them, from one with a time to the next."""
    follows = dict(spans)
    spaced: dict[str, Fraction] = {}
    for first, second in spans:
        if first not in times or second in times or second in spaced:
            continue
        chain = [first, second]
        while (following := follows.get(chain[-1])) is not None and chain[-1] not in times:
            if following in chain[-1:] or len(chain) > len(spans):
                break
            chain.append(following)
        if chain[-1] in times:
            spaced.update(_between(chain, times[first], times[chain[-1]]))
    return spaced


def _spaced_in_order(times: Mapping[str, Fraction | None]) -> dict[str, Fraction]:
    """Times of the other slots that have none, by their neighbours in the file."""
    spaced: dict[str, Fraction] = {}
    chain: list[str] = []
    for slot, time in times.items():
        chain.append(slot)
        start = times[chain[0]]
        if time is not None:
            if start is not None and len(chain) > 2:
                spaced.update(_between(chain, start, time))
            chain = [slot]
    return spaced


def _between(chain: Sequence[str], start: Fraction, end: Fraction) -> dict[str, Fraction]:
    step = (end - start) / (len(chain) - 1)
    return {slot: start + step * number for number, slot in enumerate(chain)}


FORMAT = Format("elan", "ELAN documents", (".eaf",), is_file, read, takes_label_from=True)

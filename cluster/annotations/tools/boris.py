"""BORIS: aggregated events (a row for each) and tabular events (rows START and STOP), as CSV or TSV.

Times are seconds of an observation: its offset (`Time offset (s)`) is taken off, and where its media are queued one
after another, so are the lengths of those before, which `Source` and `Media duration (s)` tell; a row may name
another file of the queue than the one it is in. Tabular rows are paired by subject, behaviour and modifiers. POINT
events are still moments. The class is the behaviour, or what `label_from` names of category, modifiers and subject.
`group_from` `subject` groups by subjects, which are in one recording and are no groups otherwise. Of several players,
which show the same event, the first one counts.
Reference: https://www.boris.unito.it/user_guide/export_events
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.delimited import cells_of
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, label_of, seconds_of, text_of, unknown
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, TimeRange
from schemas.numerals import seconds_of_clock

BEHAVIOR, TYPE, STATUS, TIME, START, STOP = "behavior", "behavior type", "status", "time", "start (s)", "stop (s)"
OBSERVATION, SUBJECT, CATEGORY, OFFSET = "observation id", "subject", "behavioral category", "time offset (s)"
SOURCE, DURATION, TOTAL = "source", "media duration (s)", "total length"
MEDIA = ("media file name", "media file", "media file path")
MODIFIER = re.compile(r"modifier(s| #\d+)")
POINT, STATE = "POINT", "STATE"
NOTHING = ("", "NA", "Not found", "nan", "None")
NO_SUBJECT = "No focal subject"
# Time and place of those that have started, by observation, subject, behaviour and modifiers.
OpenEvents: TypeAlias = dict[tuple[str, ...], tuple[Fraction, str]]
PLAYER = re.compile(r"player #\d+:\s*", re.IGNORECASE)
HEADER_LINES = 200  # in which the header of the rows must be
# Columns of aggregated rows without a header, from the one that says STATE or POINT.
HEADLESS = {SUBJECT: -4, BEHAVIOR: -3, CATEGORY: -2, "modifiers": -1, TYPE: 0, START: 1, STOP: 2}
HEADLESS_FIRST = (OBSERVATION, "observation date", "media file", TOTAL, "fps")


def is_file(file: ExportFile) -> bool:
    """Whether it has the columns of events."""
    lines = file.first_lines(HEADER_LINES)
    separator = _separator(lines)
    rows = [[cell.strip().lower() for cell in line.split(separator)] for line in lines]
    return any(_is_header(row) for row in rows) or bool(rows and _headless([cell.upper() for cell in rows[0]]))


@dataclass
class _Observation:
    """An observation: its rows, and its media with their lengths, empty where the export does not say."""

    offset: Fraction = Fraction(0)
    media: list[tuple[str, Fraction]] = field(default_factory=list)
    total: Fraction | None = None
    named: dict[str, None] = field(default_factory=dict)  # files that its rows name
    events: list[tuple[str, TimeRange, str, tuple[tuple[str, str], ...]]] = field(default_factory=list)


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The events of all files."""
    found = Findings(export.uri)
    reader = _Reader(found, options.label_from)
    for file in files:
        with found.at(file.name):
            reader.add(file)
    if options.label_from not in ("", NAME, VALUE, *reader.attributes):
        found.wrong(unknown("column", options.label_from, [*reader.attributes]))
    return found.result(reader.videos())


class _Reader:
    def __init__(self, found: Findings, label_from: str) -> None:
        self.attributes: dict[str, None] = {SUBJECT: None, CATEGORY: None}
        self._found = found
        self._chosen = label_from if label_from not in ("", NAME, VALUE) else BEHAVIOR
        self._observations: dict[str, _Observation] = {}

    def add(self, file: ExportFile) -> None:
        head: dict[str, str] = {}
        header: list[str] = []
        open_events: OpenEvents = {}
        for line, cells in cells_of(file, _separator(file.first_lines(HEADER_LINES))):
            lowered = [cell.lower() for cell in cells]
            if _is_header(lowered):
                header = lowered
                continue
            if not header:
                header = _headless(cells)
            if not header:
                key = "player" if lowered[0].startswith("player #1") else lowered[0]
                head[key] = ";".join(filter(None, (head.get(key), *cells[1:2])))
                continue
            with self._found.at(place := f"{file.name}, line {line}"):
                row = {**head, **dict(zip(header, [*cells, *[""] * len(header)], strict=False))}
                self._add_row(row, place, open_events)
        if not header:
            raise ValueError(f"no line has the columns {BEHAVIOR!r} and {START!r}, or {TIME!r} and {STATUS!r}")
        for _, place in open_events.values():
            self._found.note("events that start and never stop are left out", place)

    def _add_row(self, row: Mapping[str, str], place: str, open_events: OpenEvents) -> None:
        name = row.get(OBSERVATION, "")
        observation = self._observations.setdefault(name, _Observation())
        _describe(observation, row)
        modifiers = "|".join(value for key, value in row.items() if MODIFIER.fullmatch(key) and value not in NOTHING)
        subject = "" if row.get(SUBJECT) in (NO_SUBJECT, None) else row[SUBJECT]
        values = {BEHAVIOR: row[BEHAVIOR], CATEGORY: row.get(CATEGORY, ""), "modifiers": modifiers, SUBJECT: subject}
        self.attributes["modifiers"] = None
        extent = self._extent(row, (name, subject, row[BEHAVIOR], modifiers), place, open_events)
        label = values.pop(self._chosen, "")
        if extent is None:
            return
        if not label:
            self._found.note(f"events without {self._chosen!r} are left out", place)
            return
        observation.events.append((label_of(label), extent, place, attributes_of(values.items())))

    def _extent(
        self,
        row: Mapping[str, str],
        key: tuple[str, ...],
        place: str,
        open_events: OpenEvents,
    ) -> TimeRange | None:
        """The time of an event; None for a row that only starts one, or belongs to none."""
        if START in row:
            if row[START] in NOTHING or (row[STOP] in NOTHING and row.get(TYPE, "").upper() != POINT):
                self._found.note("events without a start or a stop are left out", place)
                return None
            start = _seconds(row[START])
            return TimeRange(start, start if row[STOP] in NOTHING else _seconds(row[STOP]))
        time, kind = _seconds(row[TIME]), (row.get(STATUS) or row.get(TYPE, "")).upper()
        if kind == POINT:
            return TimeRange(time, time)
        if kind == "START":
            if key in open_events:
                self._found.note("events that start and never stop are left out", open_events[key][1])
            open_events[key] = time, place
            return None
        if kind != "STOP":
            raise ValueError(f"its status {shown(kind)} is none of POINT, START and STOP")
        if key not in open_events:
            self._found.note("events that stop and never started are left out", place)
            return None
        return TimeRange(open_events.pop(key)[0], time)

    def videos(self) -> Iterator[AnnotatedVideo]:
        videos: dict[str, list[Annotation]] = {}
        durations: dict[str, Fraction | None] = {}
        for name, observation in self._observations.items():
            with self._found.at(f"observation {name!r}"):
                media = self._media(name, observation)
                starts = [sum((length for _, length in media[:place]), Fraction(0)) for place in range(len(media))]
                for file, length in media:
                    videos.setdefault(file, [])
                    durations[file] = length or observation.total if len(media) == 1 else length
                for label, extent, place, attributes in observation.events:
                    start, end = extent.start_seconds - observation.offset, extent.end_seconds - observation.offset
                    number = max((n for n, begins in enumerate(starts) if begins <= start), default=0)
                    if number + 1 < len(starts) and end > starts[number + 1]:
                        self._found.note(
                            "events go on in the next file of the queue, where they are not followed", place
                        )
                    moved = TimeRange(start - starts[number], end - starts[number])
                    videos[media[number][0]].append(Annotation(label, moved, place, attributes=attributes))
        for file, of_file in videos.items():
            yield AnnotatedVideo(file, tuple(of_file), duration_seconds=durations[file])

    def _media(self, name: str, observation: _Observation) -> list[tuple[str, Fraction]]:
        """The files of an observation, one after another, with their lengths."""
        if observation.media:
            return observation.media
        if len(observation.named) > 1:
            raise ValueError(
                f"its media are queued ({', '.join(observation.named)}), and nothing says how long each one is: export "
                f"it with the columns {SOURCE!r} and {DURATION!r}, which BORIS 8 writes"
            )
        if not observation.named:
            self._found.note("an observation names no media file, so that is called after it", repr(name))
        return [(next(iter(observation.named), text_of(name, OBSERVATION) or "observation"), Fraction(0))]


def _describe(observation: _Observation, row: Mapping[str, str]) -> None:
    """Take what a row says of its observation."""
    if row.get(OFFSET, "") not in NOTHING:
        observation.offset = _seconds(row[OFFSET])
    if row.get(TOTAL, "") not in NOTHING:
        observation.total = _seconds(row[TOTAL])
    if not observation.media and row.get(SOURCE, "") not in NOTHING and row.get(DURATION, "") not in NOTHING:
        names = PLAYER.sub("", row[SOURCE].split("|")[0], count=1).split(";")
        lengths = row[DURATION].split("|")[0].split(";")
        if len(names) != len(lengths):
            raise ValueError(f"{SOURCE} names {len(names)} files, and {DURATION} has {len(lengths)} lengths")
        observation.media = [(label_of(n, SOURCE), _seconds(length)) for n, length in zip(names, lengths, strict=True)]
    named = [row[column] for column in MEDIA if row.get(column, "") not in NOTHING]
    for name in (*row.get("player", "").split(";"), *named[:1]):
        if name:
            observation.named[text_of(name, "media file")] = None


def _seconds(text: str) -> Fraction:
    return seconds_of_clock(text) if ":" in text else seconds_of(text)


def _separator(lines: Sequence[str]) -> str:
    return "\t" if any("\t" in line for line in lines) else ","


def _is_header(row: Sequence[str]) -> bool:
    return BEHAVIOR in row and ({START, STOP} <= {*row} or (TIME in row and (STATUS in row or TYPE in row)))


def _headless(cells: Sequence[str]) -> list[str]:
    """The columns of aggregated rows without a header, as older versions write them; empty for other rows."""
    at = next((place for place, cell in enumerate(cells) if cell in (POINT, STATE)), -1)
    if at < len(HEADLESS_FIRST) + 4 or len(cells) < at + 3 or cells[3].lower().startswith(("media file", "live")):
        return []
    header = [*HEADLESS_FIRST, *(f"column {place + 1}" for place in range(len(HEADLESS_FIRST), len(cells)))]
    for name, shift in HEADLESS.items():
        header[at + shift] = name
    return header


FORMAT = Format(
    "boris", "BORIS: aggregated or tabular events", (".tsv", ".csv", ".txt"), is_file, read, takes_label_from=True
)

"""VGG Image Annotator 3 for video and audio: its project (JSON) and both of its CSV exports.

Two numbers in `z` are a segment in seconds, one is a still moment, none says something of the whole file; regions in
single frames (`xy`) are left out. Attributes of options hold the option's id, which is looked up, and kept where it is
not there. The class is the value of each attribute, or of the one that `label_from` names; each checked option is one.
In a CSV, comments hold the header and, for the full one, the attributes; the one of temporal segments names attributes
instead of their ids.
Reference: https://gitlab.com/vgg/via/blob/master/via-3.x.y/CodeDoc.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.delimited import lines_of, rows_in
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, member, optional_member, seconds_of, text_of, unknown
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from schemas import strict_json
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, TimeRange

PROJECT_KEYS = ("attribute", "file", "view", "metadata")
COMMENT = re.compile(r"#\s*(?P<name>[A-Z_]+)\s*=\s*(?P<value>.*)")
SEGMENT_COLUMNS = ("temporal_segment_start", "temporal_segment_end")
FULL_COLUMNS = ("temporal_coordinates", "spatial_coordinates")
INLINE = 4  # a file whose content stands in the project


def is_file(file: ExportFile) -> bool:
    """Whether it is a project or an export of one."""
    if not file.name.lower().endswith(".json"):
        return any(line.startswith("# CSV_HEADER") for line in file.first_lines(100))
    content = file.json()
    return isinstance(content, dict) and all(isinstance(content.get(key), dict) for key in PROJECT_KEYS)


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The temporal annotations of all files."""
    found = Findings(export.uri)
    reader = _Reader(found, options)
    for file in files:
        with found.at(file.name):
            if file.name.lower().endswith(".json"):
                reader.add_project(file.json(), file.name)
            else:
                reader.add_table(lines_of(file), file.name)
    return reader.result()


class _Reader:
    def __init__(self, found: Findings, options: ReadOptions) -> None:
        self._found = found
        self._options = options
        self._chosen = options.label_from if options.label_from not in (NAME, VALUE) else ""
        self._videos: dict[str, list[Annotation]] = {}
        self._attributes: dict[str, dict[str, str]] = {}  # texts of options by their ids, by attribute

    def add_project(self, project: Mapping[str, Any], source: str) -> None:
        names = self._add_attributes(member(project, "attribute", dict))
        files = {key: _file_name(value) for key, value in member(project, "file", dict).items()}
        views: dict[str, list[str]] = {}
        for key, view in member(project, "view", dict).items():
            with self._found.at(f"{source}, view {key}"):
                views[key] = [_looked_up(files, str(one), "file") for one in member(view, "fid_list", list)]
                for name in views[key]:
                    self._videos.setdefault(name, [])
        for key, entry in member(project, "metadata", dict).items():
            with self._found.at(place := f"{source}, metadata {key}"):
                media = _looked_up(views, str(entry.get("vid")) if isinstance(entry, dict) else "", "view")
                values = {
                    _looked_up(names, k, "attribute"): v for k, v in optional_member(entry, "av", dict, {}).items()
                }
                times, shape = optional_member(entry, "z", list, []), optional_member(entry, "xy", list, [])
                self._add(media, times, shape, values, place)

    def add_table(self, lines: Iterable[str], source: str) -> None:
        names: dict[str, str] | None = None
        header: list[str] = []
        body: list[str] = []
        for line in lines:
            comment = COMMENT.match(line)
            if comment and comment["name"] in ("ATTRIBUTE", "ATTRIBUTES"):
                names = self._add_attributes(strict_json.parse(comment["value"].strip().rstrip(",")))
            elif comment and comment["name"] == "CSV_HEADER":
                header = [name.strip() for name in comment["value"].split(",") if name.strip()]
            body.append("\n" if line.startswith("#") else line)  # lines keep their numbers
        if not header:
            raise ValueError("no comment '# CSV_HEADER = …' says what its columns are")
        for number, cells in rows_in(body, ","):
            with self._found.at(place := f"{source}, line {number}"):
                row = dict(zip(header, cells, strict=False))
                if len(cells) < len(header):
                    raise ValueError(f"it has {len(cells)} cells, and the header {len(header)}")
                media = [text_of(one, "file") for one in _json_cell(row, "file_list", list)]
                values = _json_cell(row, "metadata", dict)
                if FULL_COLUMNS[0] in row:
                    times, shape = (_json_cell(row, column, list) for column in FULL_COLUMNS)
                else:
                    times, shape = [row[column] for column in SEGMENT_COLUMNS if row.get(column)], []
                for name in media:
                    self._videos.setdefault(name, [])
                if names is not None:
                    values = {_looked_up(names, key, "attribute"): value for key, value in values.items()}
                for name in values:
                    self._attributes.setdefault(name, {})
                self._add(media, times, shape, values, place)

    def result(self) -> AnnotationSet:
        if self._chosen and self._chosen not in self._attributes:
            self._found.wrong(unknown("attribute", self._chosen, [*self._attributes]))
        classes = self._attributes.get(self._chosen, {}).values() if self._chosen else ()
        videos = (AnnotatedVideo(name, tuple(annotations)) for name, annotations in self._videos.items())
        return self._found.result(videos, dict.fromkeys(classes))

    def _add_attributes(self, table: Any) -> dict[str, str]:
        """Names by id, which older exports have alone, in place of the attributes."""
        names: dict[str, str] = {}
        for key, attribute in table.items() if isinstance(table, dict) else ():
            is_whole = isinstance(attribute, dict)
            names[key] = text_of(attribute.get("aname") if is_whole else attribute, "aname") or key
            choices = optional_member(attribute, "options", dict, {}) if is_whole else {}
            self._attributes[names[key]] = {k: text_of(v, "option") for k, v in choices.items()}
        return names

    def _add(
        self, media: Sequence[str], times: Sequence[Any], shape: Sequence[Any], values: Mapping[str, Any], place: str
    ) -> None:
        if shape:
            self._found.note("regions in single frames are left out", place)
            return
        texts = {name: self._texts(name, value) for name, value in values.items()}
        if self._options.group_from in texts and len(texts) > 1 and not self._chosen:
            labels = {name: its for name, its in texts.items() if name != self._options.group_from}
        else:
            labels = {self._chosen: texts.get(self._chosen, [])} if self._chosen else texts
        if not any(labels.values()):
            self._found.note("segments without a value are left out", place)
            return
        extent = _extent(times)
        for name, its in labels.items():
            others = [("attribute", name), *((n, ",".join(texts[n])) for n in texts if n != name)]
            made = [Annotation(label, extent, place, attributes=attributes_of(others)) for label in its]
            for video in media:
                self._videos[video] += made

    def _texts(self, name: str, value: Any) -> list[str]:
        """The value of an attribute, or what its options say, of which several may be checked; none if empty."""
        choices = self._attributes.get(name, {})
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"the value of {name!r} must be text, not {shown(value)}")
        text = text_of(value, name)
        checked = [part.strip() for part in text.split(",")]
        are_options = text not in choices and all(part in choices for part in checked)
        found = [choices[part] for part in checked] if are_options else [choices.get(text, text)]
        return [one for one in found if one]


def _extent(times: Sequence[Any]) -> Extent:
    if len(times) > 2:
        raise ValueError(f"times {shown(list(times))} are neither a segment nor a moment")
    return TimeRange(seconds_of(times[0]), seconds_of(times[-1])) if times else None


def _file_name(file: Any) -> str:
    source = optional_member(file, "src", str, "") if optional_member(file, "loc", object, 0) != INLINE else ""
    return text_of(optional_member(file, "fname", str, "") or source, "fname")


def _looked_up(table: Mapping[str, Any], key: str, what: str) -> Any:
    if key not in table:
        raise ValueError(f"there is no {what} {key!r}")
    return table[key]


def _json_cell(row: Mapping[str, str], column: str, kind: type) -> Any:
    cell = row.get(column)
    if cell is None:
        raise ValueError(f"it has no column {column!r}")
    value = strict_json.parse(cell) if cell else kind()
    if isinstance(value, str) and kind is list:
        value = [value]
    if not isinstance(value, kind):
        raise ValueError(f"{column} {shown(cell)} is not the JSON that is expected there")
    return value


FORMAT = Format(
    "via",
    "VIA 3 (VGG Image Annotator): a project or a CSV export",
    (".json", ".csv"),
    is_file,
    read,
    takes_label_from=True,
)

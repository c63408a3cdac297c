"""Label Studio: its JSON, where each task has `annotations`, and JSON-MIN, where each record is an annotation.

    timelinelabels  `ranges` of frames, which count from 1, both included
    videorectangle  keyframes of a track, from an enabled one to the next disabled one, included, or else to
                    `framesCount`; a track that is switched on again is another annotation
    labels          seconds, on an audio track or a player that runs with it
    choices         the whole video, or the region that they are made for

Frames count the rate of the labelling configuration (`frameRate` of <Video>, 24 unless given), which the export does
not hold and which need not be the video's: `frame_rate` must say it, in frames per second, or below 1 in seconds per
frame as there. `label_from` names the control whose labels are the classes. Predictions and cancelled annotations are
left out. Reference: https://labelstud.io/guide/export, https://labelstud.io/tags/timelinelabels
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cluster.annotations.base import NAME, VALUE, Format, ReadOptions
from cluster.annotations.export import Export, ExportFile
from cluster.annotations.fields import attributes_of, frame_of, label_of, member, optional_member, seconds_of, unknown
from cluster.annotations.findings import Findings
from cluster.datasets.label_cells import shown
from cluster.datasets.partitions import VIDEO_SUFFIXES
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, Extent, FrameRange, TimeRange

ANNOTATIONS = ("annotations", "completions")  # the second name is that of old versions
MIN_KEYS = ("annotation_id", "annotator", "lead_time", "completion_id")
SOUND_SUFFIXES = (".aac", ".flac", ".m4a", ".mp3", ".wav")
LOCAL_FILES = "/data/local-files/"
SOURCE = re.compile(r"""<(?:video|audio|source)\b[^>]{0,500}?\bsrc=["']([^"'>]{1,2000})["']""", re.IGNORECASE)


def is_file(file: ExportFile) -> bool:
    """Whether it is a list of tasks, annotations or predictions."""
    content = file.json()
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return False
    is_task = isinstance(first.get("data"), dict) and any(key in first for key in ANNOTATIONS)
    is_record = isinstance(content, list) and any(key in first for key in MIN_KEYS)
    return is_task or is_record or _is_prediction(first)


def read(export: Export, files: Sequence[ExportFile], options: ReadOptions) -> AnnotationSet:
    """The labels of all tasks."""
    found = Findings(export.uri)
    reader = _Reader(found, options)
    for file in files:
        with found.at(file.name):
            content = file.json()
            for number, task in enumerate(content if isinstance(content, list) else [content], 1):
                with found.at(place := f"{file.name}, task {number}"):
                    reader.add_task(task, place)
    if reader.rate is None and reader.needs_rate:
        hint = f" (its keyframes have times of {', '.join(reader.rates)})" if reader.rates else ""
        found.wrong(
            f"its frame numbers ({reader.needs_rate}) count the frame rate of the labelling configuration, which the "
            f"export does not hold: give it with --frame-rate; it is 24 unless <Video> has a frameRate{hint}"
        )
    if options.label_from not in ("", NAME, VALUE, *reader.controls):
        found.wrong(unknown("control", options.label_from, [*reader.controls]))
    return found.result(AnnotatedVideo(name, tuple(annotations)) for name, annotations in reader.videos.items())


class _Reader:
    def __init__(self, found: Findings, options: ReadOptions) -> None:
        self.videos: dict[str, list[Annotation]] = {}
        self.controls: dict[str, None] = {}
        self.needs_rate = ""  # the first place with frame numbers
        self.rates: dict[str, None] = {}  # that keyframes imply
        rate = options.frame_rate
        self.rate = 1 / rate if rate is not None and 0 < rate < 1 else rate
        self._found = found
        self._control = options.label_from if options.label_from not in (NAME, VALUE) else ""

    def add_task(self, task: Any, place: str) -> None:
        if _is_prediction(task):
            raise ValueError("it is a prediction without its task, which does not say of which video")
        data = optional_member(task, "data", dict, {})
        if not data:
            results = _record_results(task, self._control)
            if not results:
                self._found.note("a choice is text in JSON-MIN: name its control with --label-from to have it", place)
            self.videos.setdefault(_media(task, ""), [])
            self._add(_media(task, ""), results, place, task.get("annotator"))
            return
        key = next((key for key in ANNOTATIONS if key in task), ANNOTATIONS[0])
        if optional_member(task, "predictions", list, []):
            self._found.note("predictions are left out", place)
        self.videos.setdefault(_media(data, ""), [])
        for number, annotation in enumerate(optional_member(task, key, list, []), 1):
            where = f"{place}, annotation {number}"
            with self._found.at(where):
                if not isinstance(annotation, dict):
                    raise ValueError(f"expected an object, not {shown(annotation)}")
                if annotation.get("was_cancelled"):
                    self._found.note("cancelled annotations are left out", where)
                    continue
                results = optional_member(annotation, "result", list, [])
                self._add("", results, where, annotation.get("completed_by"), data)

    def _add(
        self, name: str, results: Sequence[Any], place: str, annotator: Any, data: Mapping[str, Any] | None = None
    ) -> None:
        who = annotator.get("email") or annotator.get("id") if isinstance(annotator, dict) else annotator
        for number, result in enumerate(results, 1):
            where = f"{place}, result {number}"
            with self._found.at(where):
                control = str(optional_member(result, "from_name", str, ""))
                value = optional_member(result, "value", dict, {})
                kind = str(result.get("type") or next((kind for mark, kind in MARKS.items() if mark in value), ""))
                if kind not in KINDS:
                    self._found.note(
                        f"results of the type {kind or 'unknown'!r} have no times, and are left out", where
                    )
                    continue
                self.controls[control] = None
                if self._control and control != self._control:
                    self._found.note(f"controls other than {self._control!r} are left out", where)
                    continue
                video = name or _media(data or {}, optional_member(result, "to_name", str, ""))
                attributes = attributes_of([("annotator", who), ("control", control)])
                labels = _labels(value, kind)
                if not labels:
                    self._found.note("regions without a label are left out", where)
                    continue
                for extent in KINDS[_region(value, kind)](self, value, where):
                    for label in labels:
                        self.videos.setdefault(video, []).append(Annotation(label, extent, where, "", attributes))

    def frames(self, first: int, last: int, place: str) -> FrameRange:
        """The frames from one number to another, which count from 1; 0 is written by programs that count from 0."""
        self.needs_rate = self.needs_rate or place
        if first < 1:
            self._found.note("frames count from 1, so frame 0 is taken as the first one", place)
        return FrameRange(max(first - 1, 0), max(last - 1, 0), self.rate)

    def timeline(self, value: Any, place: str) -> Iterator[Extent]:
        for entry in member(value, "ranges", list):
            if not isinstance(entry, dict):
                raise ValueError(f"expected a range with a start and an end, not {shown(entry)}")
            ends = [entry[key] for key in ("start", "end") if entry.get(key) is not None]
            if not ends:
                self._found.note("ranges without a frame are left out", place)
                continue
            if len(ends) == 1:
                self._found.note("ranges with one end alone are one frame", place)
            yield self.frames(frame_of(ends[0]), frame_of(ends[-1]), place)

    def track(self, value: Any, place: str) -> Iterator[Extent]:
        keyframes = [
            (frame_of(one.get("frame")), bool(one.get("enabled", True)), one.get("time"))
            for one in optional_member(value, "sequence", list, [])
            if isinstance(one, dict)
        ]
        keyframes.sort(key=lambda one: one[0])
        self._check_rate(keyframes, place)
        first: int | None = None
        for frame, is_enabled, _ in keyframes:
            if first is None and is_enabled:
                first = frame
            elif first is not None and not is_enabled:
                yield self.frames(first, frame, place)
                first = None
        if first is not None:
            count = value.get("framesCount")
            last = 0 if count is None else int(_frames_in(count))
            yield self.frames(first, max(last, keyframes[-1][0]), place)

    def _check_rate(self, keyframes: Sequence[tuple[int, bool, Any]], place: str) -> None:
        """Note a rate that differs from that of the configuration: a keyframe's time is its number over the rate."""
        frame, _, time = max(keyframes, key=lambda one: one[0], default=(0, True, None))
        seconds = seconds_of(time) if time is not None else Fraction(0)
        if not seconds > 0 or not frame:
            return
        implied = Fraction(frame) / seconds
        self.rates[f"{float(implied):.4g}"] = None
        if self.rate is not None and abs(Fraction(frame) / self.rate - seconds) > 1 / self.rate:
            raise ValueError(
                f"frame {frame} is at {float(seconds):g} s, at {float(implied):.4g} frames per second: "
                f"--frame-rate {float(self.rate):g} is not that of the labelling configuration"
            )

    def sound(self, value: Any, _: str) -> Iterator[Extent]:
        yield TimeRange(seconds_of(value.get("start")), seconds_of(value.get("end")))

    def whole(self, _: Any, __: str) -> Iterator[Extent]:
        yield None


# By the type of a result, which also names the labels in its value.
KINDS: dict[str, Callable[[_Reader, Any, str], Iterator[Extent]]] = {
    "timelinelabels": _Reader.timeline,
    "videorectangle": _Reader.track,
    "labels": _Reader.sound,
    "choices": _Reader.whole,
}


def _frames_in(count: Any) -> Fraction:
    """`framesCount`, which is a product of rate and duration and need not be whole."""
    frames = seconds_of(count)
    if frames < 0:
        raise ValueError(f"{shown(count)} is no number of frames")
    return frames


# The type of a result by a key of its value, where JSON-MIN leaves the type out; the first one that is there counts.
REGIONS = ("ranges", "sequence")
MARKS = {"ranges": "timelinelabels", "sequence": "videorectangle", "labels": "labels", "choices": "choices"}


def _region(value: Mapping[str, Any], kind: str) -> str:
    """What a result is about: choices that are made for a region hold what that region is."""
    if kind != "choices":
        return kind
    has_times = value.get("start") is not None and value.get("end") is not None
    return next((MARKS[mark] for mark in REGIONS if mark in value), "labels" if has_times else kind)


def _is_prediction(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and "data" not in entry
        and "result" in entry
        and ("model_version" in entry or "score" in entry)
    )


def _record_results(record: Mapping[str, Any], control: str) -> list[dict[str, Any]]:
    """The values in a record of JSON-MIN, by control, as results; text, as single choices are, of one control alone."""
    results = []
    for name, values in record.items():
        if name == control and isinstance(values, str):
            values = {"choices": [values]}
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict) and MARKS.keys() & value.keys():
                results.append({"from_name": name, "value": value})
    return results


def _labels(value: Mapping[str, Any], kind: str) -> list[str]:
    names = value.get(kind) or value.get("labels") or []
    return [label_of(name) for name in (names if isinstance(names, list) else [names])]


def _media(data: Mapping[str, Any], tag: str) -> str:
    """The file that a task is about: under the name of the tag, or the only text that looks like a video's name."""
    named = {key: _file_of(value) for key, value in data.items() if isinstance(value, str)}
    if named.get(tag):
        return named[tag]
    for suffixes in (VIDEO_SUFFIXES, SOUND_SUFFIXES):
        found = [name for name in named.values() if name.lower().endswith(suffixes)]
        if found:
            return found[0]
    for key in ("video", "videos", "video_url", "url", "audio"):
        if named.get(key):
            return named[key]
    raise ValueError(f"no value of its data is the name of a video: {shown(dict(data))}")


def _file_of(value: str) -> str:
    """The path in a URL of Label Studio's, or in an HTML player."""
    player = SOURCE.search(value[:4000])
    text = (player[1] if player else value).strip()
    parts = urlsplit(text) if len(text) < 4000 else None
    if parts and parts.path.endswith(LOCAL_FILES):
        return "".join(parse_qs(parts.query).get("d", [""])[:1])
    if parts and parts.scheme in ("http", "https", "s3", "gs"):
        return posixpath.join(parts.netloc, parts.path.lstrip("/"))
    return text


FORMAT = Format(
    "label-studio",
    "Label Studio: JSON or JSON-MIN",
    (".json",),
    is_file,
    read,
    takes_frame_rate=True,
    takes_label_from=True,
)

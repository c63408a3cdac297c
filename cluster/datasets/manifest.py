"""Input of a job: a folder, a glob, a bucket prefix or a manifest file → `Video` rows.

A manifest is CSV, JSONL or Parquet with the columns `id`, `uri` and optionally `labels`, `split`, `start_seconds` and
`end_seconds`. Several labels in a CSV cell are separated by semicolons. URIs may be relative to the manifest. Without
an id, a video is named by its path below the input's root, without the extension.
"""

from __future__ import annotations

import csv
import io
import json
import math
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import files
from cluster.storage.buckets import StoredFile
from cluster.storage.listing import before_glob, is_glob, list_files, versions_of
from cluster.storage.redaction import redacted
from schemas.errors import InputError
from schemas.text import storable
from schemas.videos import Video

COLUMNS = ("id", "uri", "labels", "split", "start_seconds", "end_seconds")
VIDEO_SUFFIXES = tuple(
    f".{suffix}"
    for line in (
        "3g2 3gp asf avi divx dv f4v flv gif h264 h265 hevc ivf m2ts m2v m4v mkv",
        "mov mp4 mpe mpeg mpg mts mxf ogg ogv rm rmvb ts vob webm wmv",
    )
    for suffix in line.split()
)
MAX_PROBLEMS = 20
MAX_CLASS_INDEX = 2**31 - 1  # shards hold int32


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read at all, with the reason."""

    problem: str


Row = Mapping[str, Any] | BadRow
Reader = Callable[[bytes], Iterable[Row]]


class ManifestError(InputError):
    """A manifest that cannot be used; `lines` lists everything that is wrong with it."""

    def __init__(self, source: str, lines: list[str]) -> None:
        shown = lines[:MAX_PROBLEMS]
        more = [f"… and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
        super().__init__("\n".join([f"{source}:", *(f"  - {line}" for line in [*shown, *more])]))
        self.lines = tuple(lines)


def read_videos(source: str) -> list[Video]:
    """The videos that `source` names, in a fixed order; raises `ManifestError` listing all problems at once."""
    suffix = posixpath.splitext(source)[1].lower()
    if suffix in READERS:
        try:
            content = files.read_bytes(source)
        except (OSError, files.StorageError) as error:
            raise ManifestError(source, [f"it cannot be read: {error}"]) from error
        videos, problems = _from_rows(source, READERS[suffix], content)
    else:
        videos, problems = _from_listing(source)
    problems += [*_mixed_labels(videos), *_duplicates(videos)]
    if not videos and not problems:
        problems = ["no video found there"]
    if problems:
        raise ManifestError(source, problems)
    return videos


def _from_listing(source: str) -> tuple[list[Video], list[str]]:
    try:
        root = _root_of(source)
        videos = [
            _listed_video(file, root)
            for file in list_files(source)
            # A single file counts whatever its name; in a folder, only files with a video's extension.
            if posixpath.splitext(file.uri)[1].lower() in VIDEO_SUFFIXES or file.uri == root
        ]
    except (OSError, files.StorageError) as error:
        return [], [f"it cannot be listed: {error}"]
    return sorted(videos, key=lambda video: video.uri), []  # not every store keeps to the order of names


def _listed_video(file: StoredFile, root: str) -> Video:
    stem = posixpath.splitext(file.uri)[0]
    name = stem[len(root) :].lstrip("/") if stem.startswith(root) else posixpath.basename(stem)
    return Video(id=storable(name or posixpath.basename(stem)), uri=file.uri, version=file.version)


def _root_of(source: str) -> str:
    fs, path = files.filesystem(source)
    root = posixpath.dirname(before_glob(path)) if is_glob(source) else path
    if files.is_local(source):
        return root
    full: str = fs.unstrip_protocol(root)
    return full


def _from_rows(source: str, read: Reader, content: bytes) -> tuple[list[Video], list[str]]:
    videos: list[Video] = []
    problems: list[str] = []
    unknown: set[str] = set()
    folder = posixpath.dirname(source)
    try:
        for number, row in enumerate(read(content), 1):
            if isinstance(row, BadRow):
                problems.append(f"row {number}: {row.problem}")
                continue
            problems += _unknown_columns(row.keys() - unknown)
            unknown |= row.keys()
            if number == 1 and "uri" not in row:
                problems.append("it has no column 'uri'")
                break
            try:
                videos.append(_video(row, folder))
            except ValueError as error:
                problems.append(f"row {number}: {error}")
    except (ValueError, csv.Error, pa.ArrowException) as error:
        problems.append(f"it cannot be parsed: {error}")
    return videos, problems


def _unknown_columns(names: Iterable[str]) -> list[str]:
    problems = []
    for name in sorted(set(names) - set(COLUMNS)):
        near = get_close_matches(name, COLUMNS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        problems.append(f"unknown column {name!r}{hint} (known: {', '.join(COLUMNS)})")
    return problems


def _video(row: Mapping[str, Any], folder: str) -> Video:
    uri = _text(row, "uri")
    if not uri:
        raise ValueError("no uri")
    # The signature of a URL is no part of the video's name.
    name = _text(row, "id") or posixpath.splitext(redacted(uri).removesuffix("?***"))[0]
    if not files.has_scheme(uri) and not posixpath.isabs(uri) and folder:
        uri = files.join(folder, uri)
    start = _seconds(row, "start_seconds") or 0
    end = _seconds(row, "end_seconds")
    if end is not None and end <= start:
        raise ValueError(f"end_seconds {end} is not after start_seconds {start}")
    return Video(name, uri, _labels(row.get("labels")), _text(row, "split"), start, end)


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{column} must be text, not {value!r}")
    return _checked_text(str(value).strip(), column)


def _checked_text(text: str, column: str) -> str:
    if storable(text) != text:
        raise ValueError(f"{column} {text!r} holds half of a surrogate pair, which is no text")
    return text


def _seconds(row: Mapping[str, Any], column: str) -> int | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        number = float("nan")
    if not math.isfinite(number) or number < 0 or number != int(number):
        raise ValueError(f"{column} must be a whole number of seconds from 0 on, not {value!r}")
    return int(number)


def _labels(value: Any) -> tuple[int | str, ...]:
    if value is None or value == "":
        return ()
    items = value.split(";") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    return tuple(_label(item) for item in items if str(item).strip())


def _label(item: Any) -> int | str:
    if isinstance(item, bool) or not isinstance(item, int | str):
        raise ValueError(f"a label is a class index or a name, not {item!r}")
    text = str(item).strip()
    if isinstance(item, str) and not text.isdecimal():
        return _checked_text(text, "label")
    if not 0 <= int(text) <= MAX_CLASS_INDEX:
        raise ValueError(f"a class index is between 0 and {MAX_CLASS_INDEX}, not {text}")
    return int(text)


def _mixed_labels(videos: list[Video]) -> list[str]:
    """Names get indices from 0 on, which would collide with classes that are given by index."""
    labels = [label for video in videos for label in video.labels]
    index = next((label for label in labels if isinstance(label, int)), None)
    name = next((label for label in labels if isinstance(label, str)), None)
    if index is None or name is None:
        return []
    return [f"labels are class indices or names, not both: there are {index} and {name!r}"]


def _duplicates(videos: list[Video]) -> list[str]:
    uris: dict[str, str] = {}
    problems = []
    for video in videos:
        if video.id in uris:
            problems.append(
                f"id {video.id!r} stands for both {uris[video.id]!r} and {video.uri!r}; ids must be unique "
                "(a manifest can give each video an id of its own)"
            )
        else:
            uris[video.id] = video.uri
    return problems


def _read_csv(content: bytes) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
    names = reader.fieldnames or []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the header holds {', '.join(map(repr, twice))} more than once")
    for row in reader:
        yield BadRow("it has more cells than the header") if None in row else row


def _read_jsonl(content: bytes) -> Iterator[Row]:
    for line in content.decode("utf-8-sig").split("\n"):  # and not splitlines, which splits inside strings too
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BadRow(f"it is no JSON: {error}")
                continue
            yield row if isinstance(row, dict) else BadRow("it is no JSON object")


def _read_parquet(content: bytes) -> Iterator[Row]:
    for batch in pq.ParquetFile(pa.BufferReader(content)).iter_batches():
        yield from batch.to_pylist()


READERS: dict[str, Reader] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}


def with_versions(videos: list[Video]) -> list[Video]:
    """The videos with their versions, which a manifest lacks and the store is asked for."""
    found = versions_of(video.uri for video in videos if not video.version)
    return [replace(video, version=video.version or found.get(video.uri, "")) for video in videos] if found else videos

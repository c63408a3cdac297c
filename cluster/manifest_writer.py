"""`Video` rows → a manifest file, CSV, JSONL or Parquet by its suffix, that `cluster.manifest` reads back as it was."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from cluster import storage
from cluster.manifest import COLUMNS, ManifestError
from cluster.tables import encode_table
from schemas.videos import Video

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("start_seconds", pa.int32(), nullable=False),
        pa.field("end_seconds", pa.int32()),
    ]
)


def write_manifest(uri: str, videos: Sequence[Video]) -> None:
    """Make `videos` the manifest at `uri`.

    Raises:
        ManifestError: for another suffix, and for labels that would be read back as something else.
    """
    suffix = posixpath.splitext(uri)[1].lower()
    if suffix not in WRITERS:
        raise ManifestError(uri, [f"a manifest ends in {', '.join(WRITERS)}, which says its format, not in {suffix!r}"])
    names = sorted({label for video in videos for label in video.labels if isinstance(label, str)})
    problems = [
        f"class {name!r}: digits alone are read as a class index; rename it" for name in names if _is_index(name)
    ]
    problems += [f"class {name!r}: ; parts labels from each other; rename it" for name in names if ";" in name]
    if problems:
        raise ManifestError(uri, problems)
    storage.write_bytes(uri, WRITERS[suffix](videos))


def _is_index(name: str) -> bool:
    return name.strip().isdecimal() or name != name.strip()


def _as_csv(videos: Sequence[Video]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for video in videos:
        labels = ";".join(map(str, video.labels))
        end = "" if video.end_seconds is None else video.end_seconds
        writer.writerow([video.id, video.uri, labels, video.split, video.start_seconds, end])
    return text.getvalue().encode()


def _as_jsonl(videos: Sequence[Video]) -> bytes:
    return "".join(json.dumps(_row(video), ensure_ascii=False) + "\n" for video in videos).encode()


def _as_parquet(videos: Sequence[Video]) -> bytes:
    rows = [{**_row(video), "labels": list(map(str, video.labels))} for video in videos]
    return encode_table(pa.Table.from_pylist(rows, SCHEMA))


def _row(video: Video) -> dict[str, Any]:
    return {name: getattr(video, name) for name in COLUMNS}


WRITERS: dict[str, Callable[[Sequence[Video]], bytes]] = {
    ".csv": _as_csv,
    ".jsonl": _as_jsonl,
    ".ndjson": _as_jsonl,
    ".parquet": _as_parquet,
}

"""`Video` rows → a manifest: CSV, JSONL or Parquet by its suffix, which `datasets.manifest` reads back unchanged."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa

from cluster.datasets.label_cells import SEPARATOR, is_printed
from cluster.datasets.manifest_videos import COLUMNS, ManifestError
from cluster.datasets.vocabulary import read_vocabulary
from cluster.storage import files
from cluster.storage.parquet import encode_table
from schemas.errors import examples
from schemas.videos import Video, seconds_text

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("start_seconds", pa.float64(), nullable=False),  # exact: 53 bits hold microseconds of 285 years
        pa.field("end_seconds", pa.float64()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("words", pa.string()),  # JSON
    ]
)
SPOKEN = ("text", "words")  # columns that are written where a video has them


def write_manifest(uri: str, videos: Sequence[Video]) -> None:
    """Make `videos` the manifest at `uri`.

    Raises:
        KeyError: for a suffix that is not in `WRITERS`.
        ManifestError: for labels that would be read back as something else.
    """
    write = WRITERS[posixpath.splitext(uri)[1].lower()]
    problems = unwritable_labels({label for video in videos for label in video.labels if isinstance(label, str)})
    if problems:
        raise ManifestError(uri, problems)
    files.write_bytes(uri, write(videos))


def unwritable_labels(names: Iterable[str]) -> list[str]:
    """What is wrong with names of classes that would be read back as something else."""
    reasons: dict[str, Callable[[str], bool]] = {
        "digits alone are read as a class index": str.isdecimal,
        "spaces at its ends are not read": lambda name: name != name.strip(),
        "; separates labels": lambda name: SEPARATOR in name,
        "it is read as a list": is_printed,
    }
    return [
        f"class {name!r}: {reason}; rename it"
        for name in sorted(names)
        for reason, applies in reasons.items()
        if applies(name)
    ]


def check_vocabulary(uri: str, classes: Collection[str], source: str) -> None:
    """Refuse to replace the vocabulary of another data set than `source`. Raises `ManifestError`."""
    others = [name for name in read_vocabulary(uri).names if name not in classes]
    if others:
        unknown = f"names classes that are not in {source}: {examples(others)}"
        raise ManifestError(uri, [f"{unknown}; remove it, or write the manifest elsewhere"])


def _as_csv(videos: Sequence[Video]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = _columns(videos)
    writer.writerow(columns)
    for video in videos:
        start, end = ("" if one is None else seconds_text(one) for one in (video.start_seconds, video.end_seconds))
        cells = {
            **_row(video, columns),
            "labels": SEPARATOR.join(map(str, video.labels)),
            "start_seconds": start,
            "end_seconds": end,
            "words": _words_text(video),
        }
        writer.writerow([cells[name] for name in columns])
    return text.getvalue().encode()


def _as_jsonl(videos: Sequence[Video]) -> bytes:
    columns = _columns(videos)
    return "".join(json.dumps(_row(video, columns), ensure_ascii=False) + "\n" for video in videos).encode()


def _as_parquet(videos: Sequence[Video]) -> bytes:
    columns = _columns(videos)
    rows = [
        {**_row(video, columns), "labels": list(map(str, video.labels)), "words": _words_text(video) or None}
        for video in videos
    ]
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    return encode_table(pa.Table.from_pylist(rows, schema))


def _columns(videos: Sequence[Video]) -> list[str]:
    return [name for name in COLUMNS if name not in SPOKEN or any(getattr(video, name) for video in videos)]


def _row(video: Video, columns: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(video, name) for name in columns}
    if "words" in values:
        values["words"] = _words(video)
    return {name: _plain(value) for name, value in values.items()}


def _words(video: Video) -> list[list[Any]]:
    return [[one.word, _plain(one.start_seconds), _plain(one.end_seconds)] for one in video.words]


def _words_text(video: Video) -> str:
    """The words as JSON; empty if there are none."""
    return json.dumps(_words(video), ensure_ascii=False) if video.words else ""


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Fraction) else value


WRITERS: dict[str, Callable[[Sequence[Video]], bytes]] = {
    ".csv": _as_csv,
    ".jsonl": _as_jsonl,
    ".ndjson": _as_jsonl,
    ".parquet": _as_parquet,
}

"""Videos as rows of an Arrow table, and back: nothing of them is lost. Their order is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa

from schemas.spoken_words import SpokenWord
from schemas.videos import MICROSECONDS, Seconds, Video, content_of, whole_microseconds

WORD = pa.struct([("word", pa.string()), ("start_us", pa.int64()), ("end_us", pa.int64())])
# A file name may be no text: URIs are kept as bytes. `content` is null where it is the version.
VIDEOS = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.binary()),
        ("version", pa.string()),
        ("content", pa.string()),
        ("size_bytes", pa.int64()),
        ("labels", pa.list_(pa.int32())),
        ("names", pa.list_(pa.string())),
        ("split", pa.string()),
        ("group", pa.string()),
        ("text", pa.string()),
        ("start_us", pa.int64()),
        ("end_us", pa.int64()),
        ("words", pa.list_(WORD)),
    ]
)
ENCODING = "utf-8", "surrogateescape"


def video_table(videos: Sequence[Video]) -> pa.Table:
    """Videos as a table of `VIDEOS`."""
    rows = [
        (
            video.id,
            video.uri.encode(*ENCODING),
            video.version,
            None if video.end_seconds is None and not video.start_seconds else content_of(video),
            video.size_bytes,
            *_labels(video.labels),
            video.split or None,
            video.group or None,
            video.text or None,
            _microseconds(video.start_seconds) or None,
            _microseconds(video.end_seconds),
            [(word.word, _microseconds(word.start_seconds), _microseconds(word.end_seconds)) for word in video.words]
            if video.words
            else None,
        )
        for video in videos
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(VIDEOS)
    return pa.Table.from_arrays(list(map(pa.array, columns, VIDEOS.types)), schema=VIDEOS)


def video_of(row: Mapping[str, Any]) -> Video:
    """The video of a row of `VIDEOS`, or of some of its columns."""
    start, end = row.get("start_us"), row.get("end_us")
    return Video(
        id=row["id"],
        uri=row["uri"].decode(*ENCODING),
        labels=(*(row.get("labels") or ()), *(row.get("names") or ())),
        split=row.get("split") or "",
        start_seconds=_seconds(start or 0),
        end_seconds=None if end is None else _seconds(end),
        version=row.get("version") or "",
        group=row.get("group") or "",
        text=row.get("text") or "",
        words=tuple(
            SpokenWord(word["word"], _seconds(word["start_us"]), _seconds(word["end_us"]))
            for word in row.get("words") or ()
        ),
        size_bytes=row.get("size_bytes"),
    )


def _labels(labels: tuple[int | str, ...]) -> tuple[list[int] | None, list[str] | None]:
    if not labels:
        return None, None
    indices = [label for label in labels if isinstance(label, int)]
    names = [label for label in labels if isinstance(label, str)]
    return indices or None, names or None


def _microseconds(seconds: Seconds | None) -> int | None:
    return None if seconds is None else int(seconds * MICROSECONDS)


def _seconds(microseconds: int) -> Seconds:
    if not microseconds:
        return 0
    return whole_microseconds(Fraction(microseconds, MICROSECONDS))

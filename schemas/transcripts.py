"""The transcript shard: what a lip reader has read in videos, one row per video.

`words` are in the order in which they are spoken, with their seconds after the first frame of the video; of an alphabet
without a space they are single characters. `text` is made of them. All rows of a shard are ordered by id, and of one
model, which the metadata name together with its alphabet and how text is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = "1"
WORD = pa.struct(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("start", pa.float64(), nullable=False),
        pa.field("end", pa.float64(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
TRANSCRIPT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("words", pa.list_(WORD), nullable=False),
        pa.field("coverage", pa.float32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
SPOKEN_SCHEMA = pa.schema([TRANSCRIPT_SCHEMA.field(name) for name in ("id", "words")])


@dataclass(frozen=True, slots=True)
class TranscriptWord:
    """A word, from `start` to `end` in seconds, and its mean probability in a frame."""

    word: str
    start: float
    end: float
    score: float


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """What was read in the video `id`.

    score     the probability of the text by the network, the geometric mean of those of its windows
    coverage  the share of the video that was read: the rest shows no face, or is damaged
    """

    id: str
    text: str
    score: float
    words: tuple[TranscriptWord, ...]
    coverage: float
    model: str
    run_id: str


def transcript_table(rows: Sequence[TranscriptRow], metadata: Mapping[str, str]) -> pa.Table:
    """Rows as a table of `TRANSCRIPT_SCHEMA`, ordered by id, with `metadata` for the file."""
    names = WORD.names
    values = [
        {
            **{name: getattr(row, name) for name in TRANSCRIPT_SCHEMA.names},
            "words": [{name: getattr(word, name) for name in names} for word in row.words],
        }
        for row in sorted(rows, key=lambda row: row.id)
    ]
    schema = TRANSCRIPT_SCHEMA.with_metadata({"framemill.schema_version": SCHEMA_VERSION, **metadata})
    return pa.Table.from_pylist(values, schema)


def spoken_words(table: pa.Table) -> Iterator[tuple[str, tuple[TranscriptWord, ...]]]:
    """The id and the words of each row of a table of `SPOKEN_SCHEMA`."""
    for row in table.to_pylist():
        yield row["id"], tuple(TranscriptWord(**word) for word in row["words"])

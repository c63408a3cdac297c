"""The failure shard: one row for each video that has no feature row, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from schemas.text import storable

FAILURE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class FailureRow:
    """Why the video `id` failed: `code` is one of `schemas.outcomes.FailureCode`, `stage` one of its `Stage`.

    `content` is the content that failed, as in the ledger: a video with other content is always retried.
    """

    id: str
    uri: str
    stage: str
    code: str
    message: str
    attempts: int
    run_id: str
    content: str


def failure_table(rows: Sequence[FailureRow]) -> pa.Table:
    """Rows as a table of `FAILURE_SCHEMA`, ordered by id."""
    ordered = sorted(rows, key=lambda row: row.id)
    values = [{**asdict(row), "uri": storable(row.uri), "message": storable(row.message)} for row in ordered]
    return pa.Table.from_pylist(values, FAILURE_SCHEMA)

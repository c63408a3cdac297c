"""The ledger: for each feature shard, which videos it holds and what their bytes were when they were done.

A ledger file is written before the shard of the same name and counts only once that shard is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from schemas.text import storable

LEDGER_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class LedgerRow:
    """Video `id`, read from `uri` when its bytes were `version` (see `schemas.videos.Video`)."""

    id: str
    uri: str
    version: str


def ledger_table(rows: Sequence[LedgerRow]) -> pa.Table:
    """Rows as a table of `LEDGER_SCHEMA`, ordered by id."""
    values = [{**asdict(row), "uri": storable(row.uri)} for row in sorted(rows, key=lambda row: row.id)]
    return pa.Table.from_pylist(values, LEDGER_SCHEMA)

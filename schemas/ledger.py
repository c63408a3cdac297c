"""The ledger: for each feature shard, its videos and the content that their features were made from.

A ledger file is written before the shard of the same name and counts only once that shard is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.text import storable

LEDGER_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("content", pa.string()),  # null while the row is being withdrawn
    ]
)


@dataclass(frozen=True)
class LedgerRow:
    """Video `id`, read from `uri` with the content `content` (`schemas.videos.content_of`)."""

    id: str
    uri: str
    content: str


def ledger_table(rows: Sequence[LedgerRow]) -> pa.Table:
    """Rows as a table of `LEDGER_SCHEMA`, ordered by id."""
    values = [{**asdict(row), "uri": storable(row.uri)} for row in sorted(rows, key=lambda row: row.id)]
    return pa.Table.from_pylist(values, LEDGER_SCHEMA)


def without_content(table: pa.Table, ids: Collection[str]) -> pa.Table:
    """The table with the rows of `ids` marked as being withdrawn."""
    is_gone = pc.is_in(table["id"], pa.array(sorted(ids), pa.string()))
    content = pc.if_else(is_gone, pa.scalar(None, pa.string()), table["content"])
    return table.set_column(table.schema.get_field_index("content"), LEDGER_SCHEMA.field("content"), content)

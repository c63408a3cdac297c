"""The ledger: for each feature shard, its videos and the content that their features were made from.

A ledger file is written before the shard of the same name and counts only once that shard is there. Its metadata, like
those of the shard, hold the revision of the sampling. A release raises it when a few files, which were sampled wrongly,
give other features than before; those of different revisions go together all the same.
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

REVISION_KEY = "framemill.sampling_revision"
FIRST_REVISION = "1"  # of files that do not name theirs


@dataclass(frozen=True)
class LedgerRow:
    """Video `id`, read from `uri` with the content `content` (`schemas.videos.content_of`)."""

    id: str
    uri: str
    content: str


def ledger_table(rows: Sequence[LedgerRow], revision: str = FIRST_REVISION) -> pa.Table:
    """Rows as a table of `LEDGER_SCHEMA`, ordered by id."""
    values = [{**asdict(row), "uri": storable(row.uri)} for row in sorted(rows, key=lambda row: row.id)]
    return pa.Table.from_pylist(values, LEDGER_SCHEMA.with_metadata({REVISION_KEY: revision}))


def revision_of(table: pa.Table) -> str:
    """The revision of the sampling that the rows of a ledger were made with."""
    revision: bytes = (table.schema.metadata or {}).get(REVISION_KEY.encode(), FIRST_REVISION.encode())
    return revision.decode()


def without_content(table: pa.Table, ids: Collection[str]) -> pa.Table:
    """The table with the rows of `ids` marked as being withdrawn."""
    is_gone = pc.is_in(table["id"], pa.array(sorted(ids), pa.string()))
    content = pc.if_else(is_gone, pa.scalar(None, pa.string()), table["content"])
    return table.set_column(table.schema.get_field_index("content"), LEDGER_SCHEMA.field("content"), content)

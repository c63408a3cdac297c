"""The small files of a feature dataset: shards with their ledgers, and failure files.

In: what the files say of their videos (`cluster.datasets.settled_rows`), and the footers of the small shards. Out:
`SmallFile`s. Shards without a ledger, without rows, or of long videos, whose rows are large, are none; nor are those
that cannot be read, which stay as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.compaction.groups import SmallFile
from cluster.datasets.settled_rows import SettledFile, SettledPart, SettledRows
from cluster.datasets.shard_sink import LARGE_ROW_BYTES
from cluster.datasets.tables import FENCED_KEY
from cluster.storage.parquet import is_of_system, open_parquet
from schemas.features import CODE_COLUMNS
from schemas.ledger import FIRST_REVISION
from schemas.replaced import REPLACED_KEY

MAX_REQUESTS = 16  # concurrent ones
FAILURE_BYTES = 1 << 10  # of a row, about
OF_ONE_FILE = {key.encode() for key in ("framemill.run_id", FENCED_KEY, REPLACED_KEY)}  # metadata

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class DatasetFiles:
    """How many files there are, and which of them are small. `uris` are those of all."""

    shards: int
    failures: int
    small_shards: list[SmallFile]
    small_failures: list[SmallFile]
    uris: frozenset[str]


def files_of(
    rows: SettledRows, below_rows: int, repaired: Callable[[SettledPart], SettledPart] = lambda part: part
) -> DatasetFiles:
    """The files, of which those with fewer rows are small; `repaired` is called for each part before it counts."""
    counts = np.zeros(len(rows.files), np.int64)
    for number in range(rows.count):
        counts += np.bincount(repaired(rows.part(number)).lines["file"].to_numpy(), minlength=len(counts))
    places = np.flatnonzero((counts > 0) & (counts < below_rows)).tolist()
    shards = [place for place in places if rows.files[place].ledger is not None]
    revisions = [rows.revisions[place] or FIRST_REVISION for place in shards]
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        found = list(pool.map(_small_shard, [rows.files[place] for place in shards], revisions))
    failed = [place for place in places if rows.files[place].shard is None]
    return DatasetFiles(
        shards=sum(file.shard is not None for file in rows.files),
        failures=sum(file.shard is None for file in rows.files),
        small_shards=[file for file in found if file is not None],
        small_failures=[
            SmallFile(rows.files[place].uri, None, int(counts[place]), int(counts[place]) * FAILURE_BYTES, "")
            for place in failed
        ],
        uris=frozenset(file.shard or file.uri for file in rows.files),
    )


def _small_shard(file: SettledFile, revision: str) -> SmallFile | None:
    uri = file.shard or file.uri
    try:
        with open_parquet(uri) as parquet:
            schema, metadata = parquet.schema_arrow, parquet.metadata
    except (pa.ArrowException, OSError) as error:
        if is_of_system(error):
            raise
        logger.warning(f"{uri} cannot be read, and stays as it is: {error}")
        return None
    size_bytes = _size(schema, metadata)
    if not metadata.num_rows or size_bytes >= LARGE_ROW_BYTES:
        return None
    kept = sorted(item for item in (schema.metadata or {}).items() if item[0] not in OF_ONE_FILE)
    columns = [(field.name, _type_text(field.type)) for field in schema]
    return SmallFile(uri, file.ledger, metadata.num_rows, size_bytes, repr((revision, columns, kept)))


def _size(schema: pa.Schema, metadata: pq.FileMetaData) -> int:
    """The memory that its rows take, about, by the footer of a shard, however well they are compressed."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    for place in range(metadata.num_columns):
        name = metadata.schema.column(place).path.partition(".")[0]
        if name in CODE_COLUMNS:  # one for each frame, as wide as the mean
            width = schema.field(f"mean_{name}").type.list_size
            size += width * sum(group.column(place).num_values for group in groups)
    return int(size)


def _type_text(kind: pa.DataType) -> str:
    """A type, whatever its writer has called the items of lists."""
    if pa.types.is_list(kind):
        return f"list of {_type_text(kind.value_type)}"
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.list_size} of {_type_text(kind.value_type)}"
    return str(kind)

"""A label dataset: a `RowDataset` of labels of videos, as given on a day, below `date=YYYY-MM-DD`.

Labels have a timeline beside them (`schemas.timelines`) where the run that wrote them asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import override

from cluster.datasets.committed import committed_rows
from cluster.datasets.folder import DatasetError
from cluster.datasets.row_dataset import FAILURES, LEDGER, RowDataset, mask_of
from cluster.storage.parquet import column_names, read_columns
from schemas.labels import LABEL_LEDGER_SCHEMA, LABEL_SCHEMA
from schemas.records import JobRecord
from schemas.scorings import ScoringRecord
from schemas.videos import is_same_content


@dataclass(frozen=True)
class Labelled:
    """Videos that have labels of one fingerprint, and what their features were made from then."""

    ids: pa.ChunkedArray
    contents: pa.ChunkedArray

    def is_current(self, ids: pa.ChunkedArray, contents: pa.ChunkedArray) -> NDArray[np.bool_]:
        """(n,) whether each video has labels of its current content."""
        then = self.contents.take(pc.index_in(ids, self.ids))
        is_current: NDArray[np.bool_] = mask_of(pc.fill_null(pc.equal(then, contents), False))
        for row in np.flatnonzero(mask_of(then.is_valid()) & ~is_current).tolist():  # few, most of which have changed
            is_current[row] = is_same_content(then[row].as_py(), contents[row].as_py())
        return is_current


class LabelDataset(RowDataset):
    """The label dataset at `root`, of one day."""

    elsewhere: ClassVar[str] = "Give --labels another place"
    schema: ClassVar[pa.Schema] = LABEL_SCHEMA
    record: ClassVar[type[JobRecord]] = ScoringRecord

    def __init__(self, root: str, *, date: str, run_id: str, label_fingerprint: Mapping[str, str]) -> None:
        super().__init__(root, folder=f"date={date}", run_id=run_id, fingerprint=label_fingerprint)

    def labelled(self, *, on_any_day: bool) -> Labelled:
        """Videos that have labels of this fingerprint, of this day or of any; the latest of each."""
        tables = [self._ours(table) for _, table in self._read_in_order(self._ledgers(on_any_day))]
        latest_first = pa.concat_tables([*reversed(tables), LABEL_LEDGER_SCHEMA.empty_table()])
        return Labelled(*latest_first.columns)

    def tables(self, schema: pa.Schema = LABEL_SCHEMA) -> Iterator[pa.Table]:
        """The day's labels of this fingerprint, shard by shard; raises `DatasetError` for any other file.

        With `TIMELINE_LABEL_SCHEMA` they have their timelines and events, with `EVENTS_SCHEMA` no more than their
        events; of shards without these there are none.
        """
        untimed = pa.schema([field for field in schema if field.name in LABEL_SCHEMA.names])
        with self.explained("read"):
            for shard in self._shards():
                table = self._ours(read_columns(shard, schema.names))
                if table.schema == schema:
                    yield table
                elif table.schema != untimed or not set(LABEL_SCHEMA.names) <= set(column_names(shard)):
                    raise DatasetError(f"{shard} is no label shard: it has {', '.join(column_names(shard))}")

    @override
    def _recounted(self, record: JobRecord) -> JobRecord:
        assert isinstance(record, ScoringRecord)
        day = f"date={record.date}"
        return committed_rows(record, "scored", self.place(day), self.place(LEDGER, day), self.place(FAILURES, day))

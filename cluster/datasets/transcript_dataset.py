"""A transcript dataset: a `RowDataset` of what lip readers have read in videos, below `transcripts/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pyarrow as pa
from typing_extensions import override

from cluster.datasets.committed import committed_rows
from cluster.datasets.folder import DatasetError
from cluster.datasets.row_dataset import FAILURES, LEDGER, RowDataset
from cluster.storage.parquet import column_names, read_columns
from schemas.records import JobRecord
from schemas.transcriptions import TranscriptionRecord
from schemas.transcripts import SPOKEN_SCHEMA, TRANSCRIPT_SCHEMA

FOLDER = "transcripts"


class TranscriptDataset(RowDataset):
    """The transcript dataset at `root`; `about` goes into the metadata of its files as well."""

    elsewhere: ClassVar[str] = "Give --output another place"
    schema: ClassVar[pa.Schema] = TRANSCRIPT_SCHEMA
    record: ClassVar[type[JobRecord]] = TranscriptionRecord

    def __init__(
        self, root: str, *, run_id: str, fingerprint: Mapping[str, str], about: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(root, folder=FOLDER, run_id=run_id, fingerprint=fingerprint)
        self._about = dict(about or {})

    @property
    @override
    def metadata(self) -> dict[str, str]:
        return super().metadata | self._about

    def spoken(self) -> Iterator[pa.Table]:
        """Ids and words of this fingerprint, shard by shard. Raises `DatasetError` for any other file."""
        with self.explained("read"):
            for shard in self._shards():
                table = self._ours(read_columns(shard, SPOKEN_SCHEMA.names))
                if table.schema != SPOKEN_SCHEMA:
                    raise DatasetError(f"{shard} is no transcript shard: it has {', '.join(column_names(shard))}")
                yield table

    @override
    def _recounted(self, record: JobRecord) -> JobRecord:
        assert isinstance(record, TranscriptionRecord)
        folders = (self.place(FOLDER), self.place(LEDGER, FOLDER), self.place(FAILURES, FOLDER))
        return committed_rows(record, "transcribed", *folders)

"""What a run that died has committed, counted in its shards, for its record.

In: the record as the run left it, and the folders that hold its files. Out: the record with counts and failures of what
is there, whatever the run did after it wrote its record last.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from cluster.storage import files
from cluster.storage.buckets import StoredFile
from cluster.storage.listing import list_files
from cluster.storage.parquet import read_columns, read_table
from cluster.storage.redaction import redacted_uri
from schemas.records import MAX_FAILURES
from schemas.runs import FailureNote, RunRecord
from schemas.scorings import ScoringRecord
from schemas.transcriptions import TranscriptionRecord

MEASURED = ("num_frames", "duration_seconds", "coverage")
NOTED = tuple(field.name for field in fields(FailureNote))

RecordT = TypeVar("RecordT", ScoringRecord, TranscriptionRecord)


def committed_features(record: RunRecord, features: str, ledger: str, failures: str) -> RunRecord:
    """The record of an extraction, by the folders of its dataset."""
    shards, ledgers, failed = (_files_of(record.run_id, folder) for folder in (features, ledger, failures))
    tables = [read_columns(shard.uri, MEASURED) for shard in shards]
    rows = pa.concat_tables(tables) if tables else pa.table({name: pa.array([], pa.float32()) for name in MEASURED})
    frames, seconds, coverage = (rows[name] for name in MEASURED)
    notes = [row for file in failed for row in read_table(file.uri, list(NOTED)).to_pylist()]
    counts = replace(
        record.counts,
        extracted=len(rows),
        partial=int(_total(pc.less(coverage, 1.0))),
        frames=int(_total(frames)),
        decoded_seconds=float(_total(seconds)),
        failed=len(notes),
        shards=sum(bool(len(table)) for table in tables),
        bytes_written=_size(shards, ledgers, failed),
    )
    return replace(
        record,
        counts=counts,
        failures_by_code=dict(Counter(note["code"] for note in notes)),
        failures=tuple(
            FailureNote(**note | {"uri": redacted_uri(note["uri"])})
            for note in sorted(notes, key=lambda note: str(note["id"]))[:MAX_FAILURES]
        ),
    )


def committed_rows(record: RecordT, count: str, rows: str, ledger: str, failures: str) -> RecordT:
    """The record of a run, by the folders of its dataset; `count` is where it counts rows.

    Videos of unreadable feature files have no rows among the failures.
    """
    shards, ledgers, failed = (_files_of(record.run_id, folder) for folder in (rows, ledger, failures))
    names = {posixpath.basename(shard.uri) for shard in shards}
    made = [read_table(file.uri, ["id"]) for file in ledgers if posixpath.basename(file.uri) in names]
    codes = [code for file in failed for code in read_table(file.uri, ["code"])["code"].to_pylist()]
    counts = {
        count: sum(map(len, made)),
        "failed": max(record.counts.failed, len(codes)),
        "shards": sum(bool(len(table)) for table in made),
        "bytes_written": _size(shards, ledgers, failed),
    }
    return replace(record, counts=replace(record.counts, **counts), failures_by_code=dict(Counter(codes)))


def _files_of(run_id: str, folder: str) -> list[StoredFile]:
    if not files.exists(folder):
        return []
    return [file for file in list_files(folder) if posixpath.basename(file.uri).startswith(f"part-{run_id}-")]


def _size(*parts: Iterable[StoredFile]) -> int:
    return sum(file.size_bytes for part in parts for file in part)


def _total(values: pa.ChunkedArray) -> float:
    return pc.sum(values).as_py() or 0

"""Transcripts to store, and what is stored, read with pyarrow alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.datasets.transcript_dataset import TranscriptDataset
from cluster.storage.parquet import encode_table
from schemas.failures import FailureRow
from schemas.labels import LABEL_LEDGER_SCHEMA
from schemas.transcripts import TranscriptRow, TranscriptWord, transcript_table


def transcript_dataset(root: Path, run_id: str = "r1", model: str = "m1") -> TranscriptDataset:
    """The dataset as one run sees it."""
    about = {"framemill.model": model}
    return TranscriptDataset(str(root), run_id=run_id, fingerprint={"model": model}, about=about)


def commit(dataset: TranscriptDataset, number: int, contents: Mapping[str, str], failed: tuple[str, ...] = ()) -> None:
    """Commit a word for each video, and failures."""
    word = TranscriptWord("bin", 0.0, 0.5, 0.5)
    rows = [TranscriptRow(name, "bin", 0.5, (word,), 1.0, "m", dataset.run_id) for name in contents]
    columns = [pa.array(list(contents)), pa.array(list(contents.values()))]
    ledger = pa.Table.from_arrays(columns, schema=LABEL_LEDGER_SCHEMA.with_metadata(dataset.metadata))
    failures = [FailureRow(name, name, "decode", "no_face", "no face", 1, dataset.run_id, "1") for name in failed]
    shard = encode_table(transcript_table(rows, dataset.metadata))
    dataset.commit(number, shard, encode_table(ledger), failures)


def transcripts(root: Path) -> list[dict[str, Any]]:
    """All rows, ordered by id, without what differs by run."""
    found = [row for path in root.glob("transcripts/*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(({**row, "run_id": ""} for row in found), key=lambda row: str(row["id"]))


def failure_codes(root: Path) -> dict[str, str]:
    """The codes of failures by the ids of their videos."""
    paths = root.glob("failures/transcripts/*.parquet")
    return {row["id"]: row["code"] for path in paths for row in pq.read_table(path).to_pylist()}

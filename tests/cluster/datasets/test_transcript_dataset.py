from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.folder import DatasetError
from schemas.transcriptions import TranscriptionRecord
from tests.schemas.test_transcriptions import RECORD
from tests.support.transcripts import commit, transcript_dataset, transcripts


def test_files_say_which_model_wrote_them(tmp_path: Path) -> None:
    commit(transcript_dataset(tmp_path), 0, {"a": "1"})
    (path,) = tmp_path.glob("transcripts/part-r1-00000.parquet")
    metadata = pq.read_schema(path).metadata
    assert metadata[b"framemill.model"] == b"m1"
    assert b"m1" in metadata[b"framemill.manner"]


def test_spoken_words_are_those_of_one_model(tmp_path: Path) -> None:
    commit(transcript_dataset(tmp_path), 0, {"a": "1"})
    commit(transcript_dataset(tmp_path, "r2", "m2"), 0, {"b": "1"})
    found = pa.concat_tables(transcript_dataset(tmp_path).spoken())
    assert found["id"].to_pylist() == ["a"]
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "transcripts" / "other.parquet")
    with pytest.raises(DatasetError, match=r"other\.parquet is no transcript shard: it has id"):
        list(transcript_dataset(tmp_path).spoken())


def test_the_record_of_a_run_that_died_counts_what_it_committed(tmp_path: Path) -> None:
    first = transcript_dataset(tmp_path)
    first.write_record(dataclasses.replace(RECORD, status="running"))
    commit(first, 0, {"a": "1", "b": "1", "c": "1"}, failed=("d",))
    second = transcript_dataset(tmp_path, "r2")
    second.prepare()
    second.close_records(["r1"], lambda record: f"{record.counts.transcribed} transcribed")
    record = TranscriptionRecord.from_json((tmp_path / "runs" / "r1.json").read_text())
    assert (record.status, record.counts.transcribed, record.failures_by_code) == ("died", 3, {"no_face": 1})
    assert len(transcripts(tmp_path)) == 3
    assert (tmp_path / "runs" / "r1.html").read_text() == "3 transcribed"

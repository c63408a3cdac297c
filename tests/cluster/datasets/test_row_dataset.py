"""What datasets with a row for each video have in common; days are those of `test_label_dataset`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tests.support.transcripts import commit, failure_codes, transcript_dataset, transcripts


def ids(root: Path) -> list[str]:
    return [row["id"] for row in transcripts(root)]


def test_rows_and_failures_settle_videos(tmp_path: Path) -> None:
    commit(transcript_dataset(tmp_path), 0, {"a": "1"}, failed=("b",))
    settled = transcript_dataset(tmp_path, "r2").settled()
    assert (settled.done, {name: was.code for name, was in settled.failed.items()}) == ({"a": "1"}, {"b": "no_face"})
    other = transcript_dataset(tmp_path, "r3", "m2")
    assert (other.settled().done, other.settled(of_any_model=True).done) == ({}, {"a": "1"})
    assert [row.id for row in other.failures_of("r1")] == ["b"]


def test_withdrawn_rows_are_gone_whatever_model_made_them(tmp_path: Path) -> None:
    commit(transcript_dataset(tmp_path), 0, {"a": "1", "b": "1"}, failed=("c",))
    later = transcript_dataset(tmp_path, "r2", "m2")
    later.prepare()
    assert later.withdraw(pa.chunked_array([["a", "c"]])) == 1
    assert (ids(tmp_path), failure_codes(tmp_path)) == (["b"], {})


def test_a_ledger_without_its_shard_does_not_count(tmp_path: Path) -> None:
    commit(transcript_dataset(tmp_path), 0, {"a": "1"})
    next(tmp_path.glob("transcripts/*.parquet")).unlink()
    later = transcript_dataset(tmp_path, "r2")
    later.prepare()
    assert later.settled().done == {}
    assert not list(tmp_path.glob("ledger/transcripts/*.parquet"))


def test_of_a_video_with_two_rows_the_later_is_kept(tmp_path: Path) -> None:
    commit(transcript_dataset(tmp_path), 0, {"a": "1", "b": "1"})
    commit(transcript_dataset(tmp_path, "r2"), 0, {"a": "2"})
    transcript_dataset(tmp_path, "r3").prepare()
    assert ids(tmp_path) == ["a", "b"]
    assert transcript_dataset(tmp_path, "r3").settled().done == {"a": "2", "b": "1"}

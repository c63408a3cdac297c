from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.folder import DatasetError
from cluster.datasets.label_dataset import LabelDataset
from cluster.datasets.tables import load_table, remove_rows
from cluster.storage.lease import LeaseError
from cluster.storage.parquet import TableError, encode_table
from cluster.storage.writer import PlainWriter
from schemas.failures import FailureRow
from schemas.labels import LABEL_LEDGER_SCHEMA, LABEL_SCHEMA, LabelClasses, LabelStamp, label_table
from schemas.scorings import ScoringRecord
from schemas.timelines import EVENTS_SCHEMA, TIMELINE_LABEL_SCHEMA, Event, Timeline, with_timelines

CLASSES = LabelClasses(np.array([4], np.int32), pa.array(["four"]))
RECORDS = Path(__file__).resolve().parents[2] / "fixtures" / "records"
TODAY, TOMORROW = "2026-03-01", "2026-03-02"


def dataset(root: Path, date: str = TODAY, run_id: str = "r1", model: str = "m1") -> LabelDataset:
    return LabelDataset(str(root), date=date, run_id=run_id, label_fingerprint={"model": model})


def files_of(labels: LabelDataset, contents: dict[str, str], *, with_timeline: bool = False) -> tuple[bytes, bytes]:
    ids = pa.array(list(contents))
    count = len(contents)
    table = label_table(
        ids,
        np.zeros((count, 1), np.intp),
        np.full((count, 1), 0.5, np.float32),
        classes=CLASSES,
        threshold=0.0,
        stamp=LabelStamp("m", "r", datetime(2026, 3, 1, tzinfo=UTC)),
        metadata=labels.metadata,
    )
    if with_timeline:
        step = (np.array([0]), np.array([[0]]), np.array([[0.5]], np.float32))
        timeline = Timeline(1.0, *step, *(part.ravel() for part in step), np.array([0.5]))
        events = [Event(0.0, 1.0, 0, 0.5)]
        table = with_timelines(table, dict.fromkeys(contents, timeline), dict.fromkeys(contents, events), CLASSES)
    columns = [ids, pa.array(list(contents.values()))]
    ledger = pa.Table.from_arrays(columns, schema=LABEL_LEDGER_SCHEMA.with_metadata(labels.metadata))
    return encode_table(table), encode_table(ledger)


def commit(labels: LabelDataset, number: int, contents: dict[str, str]) -> None:
    labels.commit(number, *files_of(labels, contents))


def labelled(labels: LabelDataset, *, on_any_day: bool = False) -> dict[str, str]:
    found = labels.labelled(on_any_day=on_any_day)
    pairs = list(zip(found.ids.to_pylist(), found.contents.to_pylist(), strict=True))
    return dict(reversed(pairs))  # of an id that is there twice, the first counts


def failure(name: str, code: str = "not_media", content: str = "1") -> FailureRow:
    return FailureRow(
        id=name, uri=f"{name}.mp4", stage="read", code=code, message="no", attempts=1, run_id="r1", content=content
    )


def failed_ids(root: Path, date: str = TODAY) -> list[str]:
    found = root.glob(f"failures/date={date}/*")
    return sorted(name for path in found for name in pq.read_table(path)["id"].to_pylist())


def settled(labels: LabelDataset, *, on_any_day: bool = False) -> tuple[dict[str, str], dict[str, str]]:
    found = labels.settled(anywhere=on_any_day)
    return dict(found.done), {name: before.content for name, before in found.failed.items()}


def ids_of_day(root: Path, date: str = TODAY) -> list[str]:
    return sorted(name for path in root.glob(f"date={date}/*") for name in pq.read_table(path)["id"].to_pylist())


def chunked(*ids: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(ids, pa.string())])


def test_what_is_committed_is_labelled(tmp_path):
    labels = dataset(tmp_path)
    assert labelled(labels) == labelled(labels, on_any_day=True) == {}
    commit(labels, 0, {"b": "2", "a": "1"})
    commit(labels, 1, {"c": ""})
    assert labelled(labels) == {"a": "1", "b": "2", "c": ""}
    assert [path.name for path in sorted(tmp_path.glob(f"date={TODAY}/*"))] == [
        "part-r1-00000.parquet",
        "part-r1-00001.parquet",
    ]
    assert [table["id"].to_pylist() for table in labels.tables()] == [["a", "b"], ["c"]]
    assert labels.shards == 2


def test_days_and_manners_are_kept_apart(tmp_path):
    commit(dataset(tmp_path), 0, {"a": "1", "b": "1"})
    commit(dataset(tmp_path, TOMORROW, "r2"), 0, {"b": "2"})
    commit(dataset(tmp_path, TOMORROW, "r3", "m2"), 0, {"c": "3"})
    later = dataset(tmp_path, TOMORROW, "r4")
    assert labelled(later) == {"b": "2"}
    assert labelled(later, on_any_day=True) == {"a": "1", "b": "2"}, "of two days, the later counts"
    assert labelled(dataset(tmp_path, TODAY, "r4", "m2")) == {}
    assert labelled(dataset(tmp_path, TODAY, "r4", "m2"), on_any_day=True) == {"c": "3"}
    assert [table["id"].to_pylist() for table in later.tables() if len(table)] == [["b"]]


def test_a_folder_called_ledger_or_date_may_be_the_root(tmp_path):
    for name in ("ledger", "date=2020-01-01"):
        labels = dataset(tmp_path / name)
        commit(labels, 0, {"a": "1"})
        assert labelled(labels) == labelled(labels, on_any_day=True) == {"a": "1"}


def test_current_is_what_was_labelled_from_the_same_content(tmp_path):
    labels = dataset(tmp_path)
    commit(labels, 0, {"same": "etag:1", "changed": "etag:1", "unknown": "", "cut": "etag:1 [0-5]"})
    ids = ["new", "same", "changed", "unknown", "cut"]
    contents = ["etag:9", "etag:1", "etag:2", "etag:3", "etag:1 [0-9]"]
    halves = [pa.chunked_array([values[:2], values[2:]]) for values in (ids, contents)]
    assert labels.labelled(on_any_day=False).is_current(*halves).tolist() == [False, True, False, True, False]


def test_withdrawn_rows_are_gone_whatever_their_fingerprint(tmp_path):
    labels = dataset(tmp_path)
    commit(labels, 0, {"a": "1", "b": "1"})
    commit(dataset(tmp_path, run_id="r2", model="m2"), 0, {"c": "1", "d": "1"})
    commit(dataset(tmp_path, TOMORROW), 0, {"a": "1"})
    assert labels.withdraw(chunked()) == 0
    assert labels.withdraw(chunked("x")) == 0
    assert labels.withdraw(chunked("a", "d", "c", "x")) == 3
    assert ids_of_day(tmp_path) == ["b"]
    assert labelled(labels) == {"b": "1"}
    assert ids_of_day(tmp_path, TOMORROW) == ["a"]
    assert not list(tmp_path.glob("*/part-r2-*"))
    assert not list(tmp_path.glob(f"ledger/date={TODAY}/part-r2-*"))
    next(iter(labels.tables())).validate(full=True)


def test_a_commit_that_was_cut_short_counts_for_nothing(tmp_path):
    labels = dataset(tmp_path)
    commit(labels, 0, {"a": "1"})
    (tmp_path / f"date={TODAY}/part-r1-00000.parquet").unlink()
    again = dataset(tmp_path, run_id="r2")
    assert labelled(again) == labelled(again, on_any_day=True) == {}
    (tmp_path / f"date={TODAY}/.x.framemill-tmp").touch()
    again.prepare()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_withdrawal_that_was_cut_short_is_made_good(tmp_path):
    labels = dataset(tmp_path)
    commit(labels, 0, {"a": "1", "b": "1"})
    (tmp_path / f"ledger/date={TODAY}/part-r1-00000.parquet").unlink()  # the first step of two
    again = dataset(tmp_path, run_id="r2")
    again.prepare()
    assert labelled(again) == {}
    assert again.withdraw(chunked("a", "b")) == 2
    commit(again, 0, {"a": "1", "b": "1"})
    assert ids_of_day(tmp_path) == ["a", "b"]


def test_a_commit_made_again_stands_once(tmp_path):
    labels = dataset(tmp_path)
    for _ in range(2):
        commit(labels, 0, {"a": "1"})
    assert ids_of_day(tmp_path) == ["a"]


@pytest.mark.parametrize("is_cut_short", [False, True])
def test_labels_that_stand_twice_are_repaired(tmp_path, is_cut_short):
    """As a run of an earlier release left them that was overtaken in the middle of a commit."""
    early, late = dataset(tmp_path, run_id="r1"), dataset(tmp_path, run_id="r2")
    commit(early, 0, {"a": "1", "b": "1"})
    commit(late, 0, {"b": "2", "c": "1"})
    commit(dataset(tmp_path, TOMORROW, "r3"), 0, {"b": "3"})
    if is_cut_short:
        shard = str(tmp_path / f"date={TODAY}" / "part-r1-00000.parquet")
        remove_rows(PlainWriter(), load_table(PlainWriter(), shard), {"b"})
    again = dataset(tmp_path, run_id="r4")
    again.prepare()
    assert ids_of_day(tmp_path) == ["a", "b", "c"]
    assert labelled(again) == {"a": "1", "b": "2", "c": "1"}
    assert ids_of_day(tmp_path, TOMORROW) == ["b"]


def test_a_record_of_a_run_that_died_counts_its_labels(tmp_path):
    record = ScoringRecord.from_json((RECORDS / "scoring.json").read_text())
    dead = dataset(tmp_path, record.date)
    commit(dead, 0, {"a": "1", "b": "1"})
    dead.commit(1, None, None, [failure("c")])
    dead.write_record(replace(record, run_id="r1", status="running"))
    dataset(tmp_path, TOMORROW, "r2").close_records(["r1"])
    closed = ScoringRecord.from_json((tmp_path / "runs" / "r1.json").read_text())
    assert (closed.status, closed.counts.scored, closed.counts.shards) == ("died", 2, 1)
    assert closed.failures_by_code == {"not_media": 1}


def test_failures_stand_beside_the_labels(tmp_path):
    labels = dataset(tmp_path)
    labels.commit(0, *files_of(labels, {"a": "1", "b": "1"}), [failure("c"), failure("d", "empty", "2")])
    labels.commit(1, None, None, [failure("e")])
    assert settled(labels) == settled(labels, on_any_day=True) == ({"a": "1", "b": "1"}, {"c": "1", "d": "2", "e": "1"})
    assert labelled(labels, on_any_day=True) == {"a": "1", "b": "1"}
    assert settled(dataset(tmp_path, model="m2")) == ({}, {})
    assert settled(dataset(tmp_path, TOMORROW)) == ({}, {})
    assert labels.withdraw(chunked("a", "c", "e")) == 1, "those that had labels"
    assert (ids_of_day(tmp_path), failed_ids(tmp_path)) == (["b"], ["d"])
    (tmp_path / f"failures/date={TODAY}/.x.framemill-tmp").touch()
    again = dataset(tmp_path, run_id="r2")
    again.prepare()
    assert settled(again) == ({"b": "1"}, {"d": "2"})
    assert not list(tmp_path.rglob(".*"))


def test_of_labels_and_failures_the_latest_day_counts(tmp_path):
    first, second = dataset(tmp_path), dataset(tmp_path, TOMORROW, "r2")
    first.commit(0, *files_of(first, {"a": "1", "b": "1"}), [failure("c"), failure("d")])
    second.commit(0, *files_of(second, {"c": "2"}), [failure("a", content="2")])
    assert settled(second, on_any_day=True) == ({"b": "1", "c": "2"}, {"a": "2", "d": "1"})
    assert settled(first) == ({"a": "1", "b": "1"}, {"c": "1", "d": "1"})
    assert failed_ids(tmp_path, TOMORROW) == ["a"]


def test_failures_make_no_ledger_count_whose_shard_is_missing(tmp_path):
    labels = dataset(tmp_path)
    labels.commit(0, *files_of(labels, {"a": "1"}), [failure("b")])
    (tmp_path / f"date={TODAY}/part-r1-00000.parquet").unlink()
    assert settled(labels) == settled(labels, on_any_day=True) == ({}, {"b": "1"})


def test_one_run_writes_at_a_time(tmp_path):
    labels = dataset(tmp_path)
    with labels.lease():
        with pytest.raises(LeaseError, match=r"run r1 .* is writing"), dataset(tmp_path, run_id="r2").lease():
            pass
        commit(labels, 0, {"a": "1"})
    assert not (tmp_path / "lease.json").exists()


def test_what_is_no_label_shard(tmp_path):
    labels = dataset(tmp_path)
    commit(labels, 0, {"a": "1"})
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / f"date={TODAY}" / "other.parquet")
    for schema in (LABEL_SCHEMA, TIMELINE_LABEL_SCHEMA, EVENTS_SCHEMA):
        with pytest.raises(DatasetError, match=r"other.parquet is no label shard: it has id"):
            list(labels.tables(schema))
    (tmp_path / f"ledger/date={TODAY}/part-r1-00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match=r"part-r1-00000.parquet cannot be read"):
        labels.labelled(on_any_day=True)


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    labels = dataset(tmp_path / "file" / "labels")
    with pytest.raises(DatasetError, match="Give --labels another place"), labels.lease():
        pass


def test_labels_with_timelines_and_without_stand_side_by_side(tmp_path):
    plain, timed = dataset(tmp_path), dataset(tmp_path, run_id="r2", model="timed")
    commit(plain, 0, {"a": "1", "b": "2"})
    timed.commit(0, *files_of(timed, {"c": "3", "d": "4"}, with_timeline=True))
    later = dataset(tmp_path, run_id="r3", model="timed")
    with later.lease():
        later.prepare()
    assert labelled(later) == {"c": "3", "d": "4"}
    tables = [table for table in later.tables() if len(table)]
    assert [(table["id"].to_pylist(), table.column_names) for table in tables] == [
        (["c", "d"], ["id", "labels", "model", "run_id", "scored_at"])
    ]
    (timelines,) = later.tables(TIMELINE_LABEL_SCHEMA)
    assert timelines["timeline"].to_pylist() == 2 * [[{"seconds": 0.0, "index": 4, "score": 0.5}]]
    assert [events[0]["name"] for events in timelines["events"].to_pylist()] == ["four", "four"]
    (events,) = later.tables(EVENTS_SCHEMA)
    assert events == timelines.select(["id", "events"])
    assert later.withdraw(pa.chunked_array([["a", "c"]])) == 2
    (timelines,) = later.tables(TIMELINE_LABEL_SCHEMA)
    assert timelines["id"].to_pylist() == ["d"]
    assert ids_of_day(tmp_path) == ["b", "d"]


def test_failures_are_told_by_their_run(tmp_path):
    labels = dataset(tmp_path)
    labels.commit(0, *files_of(labels, {"a": "1"}), [failure("b"), failure("c")])
    labels.commit(1, None, None, [failure("d")])
    other = dataset(tmp_path, run_id="r2")
    other.commit(0, None, None, [failure("e")])
    assert {row.id: row for row in labels.failures_of("r1")} == {name: failure(name) for name in "bcd"}
    assert [row.id for row in labels.failures_of("r2")] == ["e"]
    assert dataset(tmp_path, TOMORROW).failures_of("r1") == []
    other.withdraw(chunked("b", "d"))
    assert [row.id for row in labels.failures_of("r1")] == ["c"]


def test_what_any_model_has_settled(tmp_path):
    first, second = dataset(tmp_path), dataset(tmp_path, TOMORROW, run_id="r2", model="m2")
    first.commit(0, *files_of(first, {"a": "1", "b": "1"}), [failure("c")])
    second.commit(0, *files_of(second, {"c": "2"}), [failure("b", content="2")])
    assert settled(second, on_any_day=True) == ({"c": "2"}, {"b": "2"})
    every = second.settled(anywhere=True, of_any_model=True)
    assert (every.done, every.failed.keys()) == ({"a": "1", "c": "2"}, {"b"})

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from cluster.storage import files
from cluster.storage.parquet import encode_table
from cluster.timelines.labelled_events import LabelsError, read_events
from schemas.labels import LABEL_SCHEMA
from schemas.timelines import NamedEvent
from tests.support.events import DAY, events_table, write_labels
from tests.support.servers import gs_bucket

NEXT_DAY = "2026-03-02"
EVENTS = {"b": [(0.0, 1.5, "walking", 0.5)], "a": []}


def untimed(table: pa.Table) -> pa.Table:
    return table.select(LABEL_SCHEMA.names)


def test_events_by_video_in_order_of_the_ids(tmp_path: Path) -> None:
    labels = write_labels(tmp_path, events_table(EVENTS), events_table({"0": []}))
    found = read_events(labels, DAY)
    assert found.date == DAY
    assert found.fingerprint == {"manner": "a"}
    assert list(found.videos.items()) == [("0", ()), ("a", ()), ("b", (NamedEvent(0.0, 1.5, "walking", 0.5),))]
    assert found.without_timelines == ()


def test_the_latest_day_is_taken_unless_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labels(tmp_path, events_table({"a": []}))
    write_labels(tmp_path, events_table({"b": []}), day=NEXT_DAY)
    for folder in ("ledger", "failures"):  # they hold no labels
        write_labels(tmp_path / folder, events_table({"c": []}), day="2026-03-03")
    write_labels(tmp_path / "date=other", events_table({"c": []}))
    monkeypatch.chdir(tmp_path.parent)
    for labels in (str(tmp_path), tmp_path.name, f"{tmp_path}/", tmp_path.as_uri()):
        assert [*read_events(labels).videos] == ["b"]
        assert [*read_events(labels, DAY).videos] == ["a"]
    with pytest.raises(LabelsError, match=f"no labels of 2026-04-01; days with labels: {NEXT_DAY}, {DAY}"):
        read_events(str(tmp_path), "2026-04-01")
    with pytest.raises(LabelsError, match=r"has no labels of any day$"):
        read_events(str(tmp_path / "none"))


def test_labels_without_timelines(tmp_path: Path) -> None:
    labels = write_labels(tmp_path, untimed(events_table({"a": []}, manner="b")), events_table(EVENTS))
    found = read_events(labels)
    assert (len(found.videos), found.without_timelines) == (2, ("part-run-00000.parquet",))
    with pytest.raises(LabelsError, match=f"the labels of {NEXT_DAY} in .* have no events: score .* with --timeline"):
        read_events(write_labels(tmp_path, untimed(events_table({"a": []})), day=NEXT_DAY))


def test_labels_of_two_models_are_refused(tmp_path: Path) -> None:
    labels = write_labels(tmp_path, events_table({"a": []}), events_table({"b": []}, manner="b"))
    with pytest.raises(LabelsError, match=r"several models or options.* they differ in manner; score each into"):
        read_events(labels)


def test_from_a_bucket() -> None:
    with gs_bucket() as bucket:
        files.write_bytes(f"{bucket}/labels/date={DAY}/part-r-00000.parquet", encode_table(events_table(EVENTS)))
        assert read_events(f"{bucket}/labels").date == DAY
        assert len(read_events(f"{bucket}/labels", DAY).videos) == 2

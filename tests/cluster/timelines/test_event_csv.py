from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.storage import files
from cluster.timelines.event_csv import write_events_csv
from tests.support.events import events_table
from tests.support.servers import gs_bucket

TABLES = [
    events_table({"a": [(0.0, 1.1, "walking", 0.9), (0.5, 2.0, "=1+1", 0.123456789)], "none": []}),
    events_table({"x": []}).slice(0, 0),
    events_table({"-b": [(86399.996, 86400.0, 'a, "b"\rc', 1.0)]}),
]
LINES = [
    "id,start_seconds,end_seconds,labels,score",
    "a,0.0,1.1,walking,0.9",
    "a,0.5,2.0,'=1+1,0.123457",
    '\'-b,86399.992,86400.0,"a, ""b""\rc",1.0',  # times of label shards are float32
]


def test_a_line_for_each_event_in_the_order_of_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.csv"
    assert write_events_csv(str(path), iter(TABLES)) == 3
    assert path.read_bytes().decode() == "".join(f"{line}\r\n" for line in LINES)
    with path.open(newline="") as file:
        assert [row["labels"] for row in csv.DictReader(file)] == ["walking", "'=1+1", 'a, "b"\rc']


def test_without_events_there_is_a_header(tmp_path: Path) -> None:
    assert write_events_csv(str(tmp_path / "events.csv"), []) == 0
    assert (tmp_path / "events.csv").read_text().splitlines() == LINES[:1]


def test_slices_of_tables_have_their_own_events(tmp_path: Path) -> None:
    whole = pa.concat_tables([TABLES[0], TABLES[2]])
    assert write_events_csv(str(tmp_path / "events.csv"), [whole.combine_chunks().slice(1)]) == 1


def test_into_a_bucket_and_nowhere_else() -> None:
    with gs_bucket() as bucket:
        write_events_csv(f"{bucket}/out/events.csv", TABLES[:1])
        assert files.read_bytes(f"{bucket}/out/events.csv").decode().splitlines() == LINES[:3]
    with pytest.raises(files.StorageError, match="cannot be written to"):
        write_events_csv("https://example.com/events.csv", TABLES)

from datetime import UTC, datetime

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.labels import SUBMISSION_HEADER, Label, LabelRow, label_schema, label_table, submission_line

AT = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)


def row(name: str, *labels: tuple[int, float]) -> LabelRow:
    return LabelRow(name, tuple(Label(index, f"class {index}", score) for index, score in labels), "m", "r1", AT)


ROWS = [row("b", (3, 0.75), (1, 0.25)), row("a,é"), row("c", (0, 0.5), (2, 0.5))]


def test_everybody_reads_the_shard(tmp_path):
    path = tmp_path / "labels.parquet"
    pq.write_table(label_table(ROWS, {"framemill.run_id": "r1"}), path)
    table = pq.read_table(path)
    assert table.schema.remove_metadata() == label_schema()
    assert table.schema.metadata == {b"framemill.run_id": b"r1"}
    assert table["id"].to_pylist() == ["a,é", "b", "c"]
    best = [{"index": 3, "name": "class 3", "score": 0.75}, {"index": 1, "name": "class 1", "score": 0.25}]
    assert table["labels"].to_pylist()[1] == best
    assert list(pd.read_parquet(path)["labels"][1]) == best
    found = duckdb.sql(f"select id, labels[1].name, model from '{path}' order by id").fetchall()
    assert found == [("a,é", None, "m"), ("b", "class 3", "m"), ("c", "class 0", "m")]
    assert table["scored_at"].to_pylist() == [AT] * 3


def test_the_same_rows_in_another_order_are_the_same_table():
    assert label_table(ROWS, {}).equals(label_table(ROWS[::-1], {}))


@pytest.mark.parametrize("labels", [((1, 0.25), (3, 0.75)), ((2, 0.5), (0, 0.5))])
def test_labels_out_of_order_are_refused(labels):
    with pytest.raises(ValueError, match="'b' must be ordered by score"):
        row("b", *labels)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        LabelRow("a", (), "m", "r", datetime(2026, 1, 1))


def test_no_column_may_be_missing():
    assert not any(field.nullable for field in label_schema())
    assert label_schema().field("scored_at").type == pa.timestamp("us", "UTC")


def test_a_line_of_a_submission():
    assert SUBMISSION_HEADER == "VideoId,LabelConfidencePairs"
    assert submission_line("A-_1", [1, 4, 2], [0.5, 0.3333333, 2e-7]) == "A-_1,1 0.500000 4 0.333333 2 0.000000"
    assert submission_line("none", [], []) == "none,"


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb", "a\rb"])
def test_an_id_that_breaks_the_submission_is_refused(name):
    with pytest.raises(ValueError, match="cannot hold it"):
        submission_line(name, [1], [0.5])

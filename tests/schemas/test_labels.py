from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.cells import text_of_cell
from schemas.labels import (
    LABEL_SCHEMA,
    SUBMISSION_HEADER,
    LabelClasses,
    LabelStamp,
    label_table,
    submission_lines,
    unsubmittable_ids,
)

AT = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)
STAMP = LabelStamp("m", "r1", AT)
CLASSES = LabelClasses(np.array([30, 31, 32], np.int32), pa.array(["a class", "eine Klasse, ä", ""]))
IDS = pa.array(["b", "a,é", "c"])
PLACES = np.array([[2, 0], [1, 0], [1, 2]])
SCORES = np.array([[0.75, 0.25], [0.125, 0.0625], [0.5, 0.5]], np.float32)


def table(order=(0, 1, 2), threshold=0.2):
    rows = list(order)
    return label_table(
        IDS.take(pa.array(rows)),
        PLACES[rows],
        SCORES[rows],
        classes=CLASSES,
        threshold=threshold,
        stamp=STAMP,
        metadata={"framemill.run_id": "r1"},
    )


def test_everybody_reads_the_shard(tmp_path):
    path = tmp_path / "labels.parquet"
    pq.write_table(table(), path)
    found = pq.read_table(path)
    found.validate(full=True)
    assert found.schema.remove_metadata() == LABEL_SCHEMA
    assert found.schema.metadata == {b"framemill.run_id": b"r1"}
    assert found["id"].to_pylist() == ["a,é", "b", "c"]
    best = [{"index": 32, "name": "", "score": 0.75}, {"index": 30, "name": "a class", "score": 0.25}]
    assert found["labels"].to_pylist() == [
        [],
        best,
        [{"index": 31, "name": "eine Klasse, ä", "score": 0.5}, {"index": 32, "name": "", "score": 0.5}],
    ]
    assert list(pd.read_parquet(path)["labels"][1]) == best
    first = duckdb.sql(f"select id, labels[1].name, model from '{path}' order by id").fetchall()
    assert first == [("a,é", None, "m"), ("b", "", "m"), ("c", "eine Klasse, ä", "m")]
    assert found["scored_at"].to_pylist() == [AT] * 3


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_the_same_rows_in_another_order_are_the_same_table(order):
    assert table(order).equals(table())


def test_a_threshold_is_reached_by_what_is_equal_to_it():
    assert [len(labels) for labels in table(threshold=0.5)["labels"].to_pylist()] == [0, 1, 2]
    assert [len(labels) for labels in table(threshold=0.0)["labels"].to_pylist()] == [2, 2, 2]
    assert [len(labels) for labels in table(threshold=1.0)["labels"].to_pylist()] == [0, 0, 0]


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        LabelStamp("m", "r", datetime(2026, 1, 1))


def test_no_column_may_be_missing():
    assert not any(field.nullable for field in LABEL_SCHEMA)
    assert LABEL_SCHEMA.field("scored_at").type == pa.timestamp("us", "UTC")


def labels_of(*rows):
    values = [[{"index": index, "name": "", "score": score} for index, score in row] for row in rows]
    return pa.array(values, LABEL_SCHEMA.field("labels").type)


def test_lines_of_a_submission():
    assert SUBMISSION_HEADER == "VideoId,LabelConfidencePairs"
    labels = labels_of([(1, 0.5), (4, 0.3333333), (2, 2e-7)], [], [(3861, 1.0), (0, 1.25e-6)])
    lines = submission_lines(pa.array(["A-_1", "none", "é"]), labels)
    assert lines.decode() == "A-_1,1 0.500000 4 0.333333 2 0.000000\nnone,\né,3861 1.000000 0 0.000001\n"
    assert submission_lines(pa.array(["none"]), labels.slice(1, 1)) == b"none,\n"
    assert submission_lines(pa.array(["x"]), labels.slice(2)) == b"x,3861 1.000000 0 0.000001\n"
    assert submission_lines(pa.array([], pa.string()), labels.slice(0, 0)) == b""


def test_scores_are_rounded_as_printf_does():
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.random(20_000), 10.0 ** rng.uniform(-9, 0, 20_000), np.arange(1024) / 2048])
    scores = scores.astype(np.float32)
    lines = submission_lines(pa.array(["v"] * len(scores)), labels_of(*([(7, score)] for score in scores.tolist())))
    assert lines.decode().splitlines() == [f"v,7 {score:.6f}" for score in scores.tolist()]


def test_ids_that_a_spreadsheet_would_compute_come_back():
    ids = ["=1+1", "-0aBcDeFgHi", "'-x", "a-b", "\t@x"]
    lines = submission_lines(pa.array(ids), labels_of(*[[(1, 0.5)]] * len(ids))).decode().splitlines()
    assert lines[0] == "'=1+1,1 0.500000"
    cells = [line.split(",")[0] for line in lines]
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)
    assert [text_of_cell(cell) for cell in cells] == ids


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb", "a\rb"])
def test_an_id_that_breaks_the_submission_is_refused(name):
    assert unsubmittable_ids(pa.array(["good", name])) == [name]
    with pytest.raises(ValueError, match="cannot hold it"):
        submission_lines(pa.array([name]), labels_of([(1, 0.5)]))

import io

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.failures import FAILURE_SCHEMA, FailureRow, failure_table
from schemas.outcomes import FailureCode, Stage


def row(name: str, **values: object) -> FailureRow:
    fields = {
        "uri": "u",
        "stage": Stage.READ,
        "code": FailureCode.MISSING,
        "message": "m",
        "attempts": 1,
        "run_id": "r",
        "content": "v1",
    }
    return FailureRow(id=name, **{**fields, **values})


def test_the_columns_are_the_documented_ones():
    assert [(field.name, str(field.type), field.nullable) for field in FAILURE_SCHEMA] == [
        ("id", "string", False),
        ("uri", "string", False),
        ("stage", "string", False),
        ("code", "string", False),
        ("message", "string", False),
        ("attempts", "int32", False),
        ("run_id", "string", False),
        ("content", "string", False),
    ]


def test_rows_are_ordered_by_id_and_survive_parquet():
    buffer = io.BytesIO()
    pq.write_table(failure_table([row("b", attempts=5), row("a", message="line\nbreak"), row("B")]), buffer)
    table = pq.read_table(pa.BufferReader(buffer.getvalue()))
    assert table.schema == FAILURE_SCHEMA
    assert table.to_pylist() == [
        {
            "id": "B",
            "uri": "u",
            "stage": "read",
            "code": "missing",
            "message": "m",
            "attempts": 1,
            "run_id": "r",
            "content": "v1",
        },
        {
            "id": "a",
            "uri": "u",
            "stage": "read",
            "code": "missing",
            "message": "line\nbreak",
            "attempts": 1,
            "run_id": "r",
            "content": "v1",
        },
        {
            "id": "b",
            "uri": "u",
            "stage": "read",
            "code": "missing",
            "message": "m",
            "attempts": 5,
            "run_id": "r",
            "content": "v1",
        },
    ]


def test_names_that_are_no_text_do_not_stop_a_run():
    table = failure_table([row("a", uri="caf\udce9.mp4", message="no caf\udce9.mp4")])
    assert table["uri"].to_pylist() == ["caf\\udce9.mp4"]
    assert table["message"].to_pylist() == ["no caf\\udce9.mp4"]


def test_no_rows_are_a_table_too():
    assert failure_table([]).schema == FAILURE_SCHEMA

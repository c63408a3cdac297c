from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.storage import spill
from cluster.storage.spill import Spill
from schemas.errors import InputError

SCHEMA = pa.schema([("id", pa.string()), ("n", pa.int32())])


def table(*numbers: int) -> pa.Table:
    return pa.table({"id": list(map(str, numbers)), "n": pa.array(numbers, pa.int32())}, schema=SCHEMA)


def test_rows_come_back_by_part_in_the_order_in_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "RUN_ROWS", 5)
    with closing(Spill(SCHEMA, 4)) as rows:
        for first in range(0, 30, 3):
            numbers = np.arange(first, first + 3)
            rows.add(table(*numbers), numbers % 3)
        rows.flush()
        assert (rows.rows, rows.runs) == (30, 5)
        assert rows.part(1)["n"].to_pylist() == list(range(1, 30, 3))
        assert rows.part(1, 1, 3)["n"].to_pylist() == [7, 10, 13, 16]
        assert rows.part(3) == SCHEMA.empty_table()
        assert rows.part(1, columns=["n"]) == rows.part(1).select(["n"])
        assert rows.part(3, columns=["n"]) == SCHEMA.empty_table().select(["n"])
        rows.flush()
        assert rows.runs == 5, "nothing more is there"


def test_nothing_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    rows = Spill(SCHEMA, 2)
    rows.add(table(1), np.array([0]))
    rows.flush()
    assert list(tmp_path.rglob("0"))
    rows.close()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_no_more_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = Spill(SCHEMA, 2)
    rows.add(table(1), np.zeros(1, np.intp))
    rows.close()  # a folder that is not there refuses what a full disk refuses
    with pytest.raises(InputError, match=r"(?s)takes no more of the list of videos.*TMPDIR"):
        rows.flush()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"(?s)gone takes no more of the list of videos.*TMPDIR"):
        Spill(SCHEMA, 2)

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.annotations.delimited import cells_of, header_of, named_rows, rows_in
from cluster.annotations.export import Export
from cluster.annotations.findings import Findings
from tests.support.annotations import write


def test_rows_have_the_lines_they_end_on(tmp_path: Path) -> None:
    [file] = Export(write(tmp_path, {"a.tsv": 'x\ty\n\n"1\n2"\t 3 \n'})).files
    assert list(cells_of(file, "\t")) == [(1, ["x", "y"]), (4, ["1\n2", "3"])]
    [file] = Export(write(tmp_path, {"a.tsv": "a\u2028b\x0bc\td\r\n"})).files
    assert list(cells_of(file, "\t")) == [(1, ["a\u2028b\x0bc", "d"])]
    with pytest.raises(ValueError, match="line 1: field larger"):
        list(rows_in(["x" * 200_000], ","))


def test_named_rows_are_by_column_in_lower_case(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "ID, Label\na,b\nc,d,e\nf\n", "b.csv": "x\n1\n", "c.csv": "x\n"})
    first, second, third = Export(str(tmp_path)).files
    found = Findings("a.csv")
    assert header_of(first) == ["id", "label"]
    assert list(named_rows(first, ["id"], found)) == [
        ("a.csv, line 2", {"id": "a", "label": "b"}),
        ("a.csv, line 4", {"id": "f", "label": ""}),
    ]
    assert len(found.problems) == 1
    assert "a.csv, line 3: it has 3 cells" in found.problems[0]
    for file, problem in ((second, r"it has no column 'id' or 'z' \(there: 'x'\)"), (third, "it has no rows")):
        with pytest.raises(ValueError, match=problem):
            list(named_rows(file, ["id", "z"], found))

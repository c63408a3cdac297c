import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import cell_of_text, csv_lines, text_of_cell
from tests.support.fuzz import FUZZ


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\tx", "\rx", "＝1", "-0aBcDeFgHi", "'=1", "''-1", "' @x"]
)
def test_what_a_spreadsheet_would_compute_gets_an_apostrophe(text):
    assert cell_of_text(text) == f"'{text}"
    assert text_of_cell(f"'{text}") == text


@pytest.mark.parametrize("text", ["", "a", "1", "0.5", "a=b", "3 -0.5", "it's", "'quoted'", "'", "''", " x", "a\t=1"])
def test_other_text_stays(text):
    assert cell_of_text(text) == text_of_cell(text) == text


@FUZZ
@given(st.text("'=+-@ \t\r\nab＝", max_size=6) | st.text(max_size=6))
def test_every_text_comes_back(text):
    assert text_of_cell(cell_of_text(text)) == text


def test_lines_of_a_file_come_back():
    rows = [["id", "seconds"], ["=1", 0.5], ['a "b", c', -2], ["of\rtwo\nlines", 1e-06], ["", 3]]
    found = list(csv.reader(io.StringIO(csv_lines(rows).decode(), newline="")))
    assert [[text_of_cell(cell) for cell in row] for row in found] == [[str(cell) for cell in row] for row in rows]
    assert csv_lines(rows).startswith(b"id,seconds\r\n'=1,0.5\r\n")

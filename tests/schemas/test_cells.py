import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import cell_of_text, text_of_cell
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

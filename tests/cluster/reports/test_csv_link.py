"""CSV files in links: read back as they were, with formulas defused."""

import base64
import csv
import io

import pytest

from cluster.reports.csv_link import csv_link


def rows_of(link: str) -> list[list[str]]:
    head, _, content = link.partition(",")
    assert head == "data:text/csv;base64"
    return list(csv.reader(io.StringIO(base64.b64decode(content).decode("utf-8-sig"), newline="")))


def test_texts_and_numbers_come_back() -> None:
    rows = [["a,b", 'quote "', "line\nbreak", "日本語 🎬"], [1, -2.5, None, 0.1]]
    assert rows_of(csv_link(("one", "two", "three", "four"), rows)) == [
        ["one", "two", "three", "four"],
        ["a,b", 'quote "', "line\nbreak", "日本語 🎬"],
        ["1", "-2.5", "", "0.1"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1"])
def test_a_text_that_would_be_a_formula_is_quoted(text: str) -> None:
    ((cell,),) = rows_of(csv_link((), [[text]]))[1:]
    assert cell.startswith("'")


def test_what_no_file_can_hold_is_written_as_an_escape() -> None:
    assert rows_of(csv_link(("id",), [["a\udc80\x00\u202e"]])) == [["id"], ["a\\udc80\\x00\\u202e"]]

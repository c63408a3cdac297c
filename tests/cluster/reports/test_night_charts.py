"""Charts of the nightly report: geometry and descriptions follow the numbers."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from cluster.reports.charts.bars import Bar
from cluster.reports.night_charts import columns, points_text, score_columns, shares_chart
from schemas.label_statistics import ClassDrift


def bars(*values: int) -> list[Bar]:
    return [Bar(label=str(day), value=value, text=f"{value}x") for day, value in enumerate(values, 1)]


def texts(svg: str) -> list[str]:
    drawn = ElementTree.fromstring(svg).iter()
    return [element.text or "" for element in drawn if element.tag in ("text", "div")]


def heights(svg: str, style: str = "fill") -> list[float]:
    found = ElementTree.fromstring(svg).iter("rect")
    return [float(element.attrib["height"]) for element in found if element.attrib["class"] == style]


def widths(svg: str, style: str) -> list[float]:
    found = ElementTree.fromstring(svg).iter("rect")
    return [float(element.attrib["width"][:-1]) for element in found if element.attrib["class"] == style]


def row(share: float, before: float, error: float) -> ClassDrift:
    return ClassDrift(index=1, name="<b>", count=1, expected=1.0, share=share, share_before=before, error=error)


def test_columns_are_as_high_as_their_values() -> None:
    svg = columns(bars(10, 5, 0, 1, 2, 4, 1000, 1), "Videos by night")
    assert heights(svg)[6] == max(heights(svg)) == 74
    assert heights(svg)[:3] == [2.0, 2.0, 0.0]  # one in a thousand is still visible
    assert "Videos by night: 1 10x; 2 5x" in svg


def test_there_is_room_for_the_last_value_and_the_highest() -> None:
    assert [text for text in texts(columns(bars(10, 5, 0, 1, 2, 4, 9, 8), "")) if "x" in text] == ["10x", "8x"]
    assert [text for text in texts(columns(bars(1, 5, 0, 1, 2, 4, 9, 8), "")) if "x" in text] == ["8x"]
    assert [text for text in texts(columns(bars(9, 8), "")) if "x" in text] == ["9x", "8x"]
    assert texts(columns([], "nothing")) == []


def test_scores_lie_between_0_and_1() -> None:
    svg = score_columns([0] * 10 + [5, 0, 0, 10] + [0] * 6, "Scores")
    assert texts(svg) == ["10", "0", "0.25", "0.5", "0.75", "1"]
    assert "Scores: from 0.50 5; from 0.65 10" in svg
    assert sorted(heights(svg))[-2:] == [37, 74]


def test_shares_are_compared_with_their_previous_values() -> None:
    svg = shares_chart([row(0.4, 0.2, 0.01), row(0.1, 0.1, 0.05)], has_before=True, description="Shares", videos=100)
    assert (widths(svg, "changed"), widths(svg, "fill")) == ([100.0], [25.0])
    assert re.findall(r'<line x1="([\d.]+)%"', svg) == ["50.00", "25.05"]
    assert "Shares: &lt;b&gt; 40% · +20.0 ± 1.0" in svg
    assert texts(svg)[1] == "40% · +20.0 ± 1.0"


def test_without_previous_nights_there_are_only_shares() -> None:
    svg = shares_chart([row(0.4, 0.0, 0.0)], has_before=False, description="Shares", videos=100)
    assert (widths(svg, "fill"), widths(svg, "changed"), "<line" in svg) == ([100.0], [], False)
    assert texts(svg) == ["<b>", "40%"]
    assert shares_chart([], has_before=False, description="Shares", videos=100)


def test_shares_of_a_few_videos_are_counts() -> None:
    assert texts(shares_chart([row(0.4, 0.0, 0.0)], has_before=False, description="", videos=29)) == ["<b>", "1 of 29"]


def test_many_nights_have_a_few_labels_the_last_among_them() -> None:
    labels = [text for text in texts(columns(bars(*range(1, 13)), "")) if "x" not in text]
    assert labels == ["3", "6", "9", "12"]


def test_a_missing_night_leaves_a_gap() -> None:
    one, other = bars(10, 5)
    svg = columns([one, "2", "3", replace(other, label="4")], "Videos by night")
    assert texts(svg) == ["1", "10x", "2", "3", "4", "5x"]
    assert len(heights(svg)) == 2
    across = [float(element.attrib["x"][:-1]) for element in ElementTree.fromstring(svg).iter("rect")]
    assert across == pytest.approx([2, 77])
    assert 'aria-label="Videos by night: 1 10x; 4 5x"' in svg


@pytest.mark.parametrize(("share", "text"), [(0.25, "+5.0 ± 1.2"), (0.15, "−5.0 ± 1.2")])
def test_points(share: float, text: str) -> None:
    assert points_text(row(share, 0.2, 0.012)) == text

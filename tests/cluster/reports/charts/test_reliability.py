"""Reliability diagram: dots at their confidence and accuracy, sized by their number of predictions."""

import xml.etree.ElementTree as ElementTree

import pytest

from cluster.reports.charts.reliability import LARGEST_DOT, Reliability, reliability
from cluster.reports.charts.svg import PLOT_BOTTOM, PLOT_TOP

BINS = [(0.0, 0.0, 10), (0.5, 0.25, 40), (1.0, 1.0, 1000)]


def drawn(*bins: list[tuple[float, float, int]]) -> ElementTree.Element:
    series = [Reliability(label=f"series {i}", bins=one, style="validation") for i, one in enumerate(bins)]
    return ElementTree.fromstring(reliability(series, "Reliability"))


def test_dots_stand_at_probability_and_accuracy() -> None:
    circles = list(drawn(BINS).iter("circle"))
    across = [float((circle.get("cx") or "")[:-1]) for circle in circles]
    assert across == pytest.approx([10, 54, 98])
    down = [float(circle.get("cy") or "") for circle in circles]
    assert down == pytest.approx([PLOT_BOTTOM, PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) / 4, PLOT_TOP])
    radii = [float(circle.get("r") or "") for circle in circles]
    assert radii == sorted(radii)
    assert radii[-1] == LARGEST_DOT
    assert circles[0][0].text == "series 0: 0 of 10 correct with 0% confidence"
    assert circles[1][0].text == "series 0: 25.00% correct with 50.00% confidence, 40 predictions"


def test_the_description_has_the_values() -> None:
    label = drawn(BINS[:1], BINS[1:2]).get("aria-label")
    assert label == "Reliability: series 0 0% confidence 0 of 10 correct; series 1 50.00% confidence 25.00% correct"


def test_an_empty_series_leaves_the_diagonal() -> None:
    chart = drawn([])
    assert [path.get("class") for path in chart.iter("path")] == ["curve diagonal"]
    assert not list(chart.iter("circle"))

"""Pieces of charts: round steps, and texts that stay texts."""

import xml.etree.ElementTree as ElementTree

import pytest

from cluster.svg import CHART, TEXT, nice_step


@pytest.mark.parametrize(
    ("least", "step"), [(0.9, 1), (1, 1), (1.01, 2), (2.2, 2.5), (3, 5), (6, 10), (0.00013, 0.0002), (1234, 2000)]
)
def test_steps_are_round_and_no_smaller_than_asked(least: float, step: float) -> None:
    assert nice_step(least) == pytest.approx(step)


def test_texts_are_escaped() -> None:
    chart = ElementTree.fromstring(CHART.format('"><script>', 10, TEXT.format(50, 5, "tick", "<b>&")))
    assert chart.get("aria-label") == '"><script>'
    assert [text.text for text in chart.iter("text")] == ["<b>&"]

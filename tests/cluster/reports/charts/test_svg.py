"""Pieces of charts: round steps, and texts that stay texts."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from cluster.reports.charts.svg import CHART, TEXT, inline_bar, nice_step


@pytest.mark.parametrize(
    ("least", "step"), [(0.9, 1), (1, 1), (1.01, 2), (2.2, 2.5), (3, 5), (6, 10), (0.00013, 0.0002), (1234, 2000)]
)
def test_steps_are_round_and_no_smaller_than_asked(least: float, step: float) -> None:
    assert nice_step(least) == pytest.approx(step)


def test_texts_are_escaped() -> None:
    chart = ElementTree.fromstring(CHART.format('"><script>', 10, TEXT.format(50, 5, "tick", "<b>&")))
    assert chart.get("aria-label") == '"><script>'
    assert [text.text for text in chart.iter("text")] == ["<b>&"]


def widths(svg: str, style: str) -> list[tuple[float, float]]:
    rects = [rect for rect in ElementTree.fromstring(svg).iter("rect") if rect.get("class") == style]
    return [tuple(float((rect.get(key) or "").rstrip("%")) for key in ("x", "width")) for rect in rects]  # type: ignore[misc]


@pytest.mark.parametrize(("share", "width"), [(0.25, [25.0]), (1.0, [100.0]), (1.5, [100.0]), (0.0, [])])
def test_bar_is_as_long_as_its_share(share: float, width: list[float]) -> None:
    assert [length for _, length in widths(inline_bar(share), "fill")] == width
    assert widths(inline_bar(share), "deviation") == []


def test_whisker_reaches_one_deviation_to_both_sides_as_far_as_there_is_room() -> None:
    assert widths(inline_bar(0.5, 0.2), "deviation")[0] == pytest.approx((30, 40))
    assert widths(inline_bar(0.9, 0.3), "deviation")[0] == pytest.approx((60, 40))
    assert widths(inline_bar(0.1, 0.3), "deviation")[0] == pytest.approx((0, 40))
    assert widths(inline_bar(0.5, 0.0), "deviation")[0] == pytest.approx((50, 0))

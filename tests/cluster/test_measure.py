"""Measures: bars as long as their share, whiskers that stay within the cell."""

import xml.etree.ElementTree as ElementTree

import pytest

from cluster.measure import measure


def widths(svg: str, style: str) -> list[tuple[float, float]]:
    rects = [rect for rect in ElementTree.fromstring(svg).iter("rect") if rect.get("class") == style]
    return [tuple(float((rect.get(key) or "").rstrip("%")) for key in ("x", "width")) for rect in rects]  # type: ignore[misc]


@pytest.mark.parametrize(("share", "width"), [(0.25, [25.0]), (1.0, [100.0]), (1.5, [100.0]), (0.0, [])])
def test_bar_is_as_long_as_its_share(share: float, width: list[float]) -> None:
    assert [length for _, length in widths(measure(share), "fill")] == width
    assert widths(measure(share), "spread") == []


def test_whisker_reaches_one_deviation_to_both_sides_as_far_as_there_is_room() -> None:
    assert widths(measure(0.5, 0.2), "spread")[0] == pytest.approx((30, 40))
    assert widths(measure(0.9, 0.3), "spread")[0] == pytest.approx((60, 40))
    assert widths(measure(0.1, 0.3), "spread")[0] == pytest.approx((0, 40))
    assert widths(measure(0.5, 0.0), "spread")[0] == pytest.approx((50, 0))

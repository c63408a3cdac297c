"""Charts: well-formed SVG whose geometry and description follow the numbers."""

import xml.etree.ElementTree as ElementTree

import pytest

from cluster.reports.charts.bars import Bar, bar_chart, histogram, line_chart, stages_chart, strip


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def rectangles(svg: str, style: str) -> list[dict[str, str]]:
    return [rect.attrib for rect in parsed(svg).iter("rect") if rect.get("class") == style]


def percent(text: str) -> float:
    assert text.endswith("%")
    return float(text[:-1])


def test_a_line_stays_within_its_box_and_is_described() -> None:
    chart = parsed(line_chart([0.0, 10.0, 4.0], 30.0, 5.0, "frames per second"))
    curve = next(path for path in chart.iter("path") if path.get("class") == "curve")
    points = [tuple(map(float, point.split(","))) for point in (curve.get("d") or "").removeprefix("M").split("L")]
    assert [x for x, _ in points] == [0.0, 166.7, 500.0, 833.3, 1000.0]
    assert points[1][1] == 1000.0, "nothing is at the bottom"
    assert all(0 <= y <= 1000 for _, y in points)
    assert chart.get("aria-label") == "frames per second over 30 s: mean 5.00, highest 10.0, lowest 0"
    odd = parsed(line_chart([1.0], 98.6, 1.0, "frames per second"))
    assert (odd.get("aria-label") or "").startswith("frames per second over 1 min 39 s: ")


@pytest.mark.parametrize("top", [1e-4, 0.7, 3.0, 9.99, 1234.0, 5.2e6])
@pytest.mark.parametrize("span_seconds", [0.3, 21.8, 3600.0, 210_000.0, 9e6])
def test_axes_of_any_size_have_a_few_labels_and_hold_the_line(top: float, span_seconds: float) -> None:
    chart = parsed(line_chart([top, top / 2], span_seconds, top / 2, "x"))
    ticks = [text for text in chart.iter("text") if "strong" not in (text.get("class") or "")]
    down = [text for text in ticks if "halo" in (text.get("class") or "")]
    assert 2 <= len(down) <= 5
    assert 2 <= len(ticks) - len(down) <= 6
    curve = next(path for path in chart.iter("path") if path.get("class") == "curve")
    assert min(float(point.split(",")[1]) for point in (curve.get("d") or "")[1:].split("L")) >= 0


def test_the_time_in_a_description_is_rounded() -> None:
    assert "x over 1 min 39 s: mean" in line_chart([1.0, 2.0], 98.6, 1.5, "x")


def test_a_line_of_nothing_is_refused_and_a_line_at_zero_is_not() -> None:
    with pytest.raises(ValueError, match="0 values over 5"):
        line_chart([], 5.0, 0.0, "x")
    parsed(line_chart([0.0, 0.0], 5.0, 0.0, "x"))


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_chart([Bar(label="embed", value=4.0, text="4 s"), Bar(label="read", value=1.0, text="1 s")], "Seconds")
    assert [percent(rect["width"]) for rect in rectangles(svg, "fill")] == [100.0, 25.0]
    assert parsed(svg).get("aria-label") == "Seconds: embed 4 s; read 1 s"


def test_stages_come_the_longest_first_with_their_share() -> None:
    svg = stages_chart({"read\u202e": 25.0, "embed": 75.0})
    assert svg is not None
    assert parsed(svg).get("aria-label") == "Seconds by stage: Embed 1 min 15 s · 75%; Read\\u202e 25 s · 25%"
    assert stages_chart({}) is stages_chart({"read": 0.0}) is None
    words = stages_chart({"embed_frames": 2.0, "frozen stages": 1.0})
    assert words is not None
    assert (
        parsed(words).get("aria-label") == "Seconds by stage: Embedding frames 2 s · 66.7%; Frozen stages 1 s · 33.3%"
    )


def test_histogram_leaves_out_empty_ends_and_keeps_small_columns_visible() -> None:
    svg = histogram((0.0, 5.0, 10.0, 20.0, 30.0, 60.0), (0, 0, 1, 1_000_000, 0, 0), "Videos by length")
    columns = rectangles(svg, "fill")
    assert len(columns) == 2
    assert float(columns[0]["height"]) == 2.0
    labels = [text.text for text in parsed(svg).iter("text") if "strong" not in (text.get("class") or "")]
    assert labels == ["5 s", "10 s", "20 s", "30 s"]
    assert parsed(svg).get("aria-label") == "Videos by length: 10 s to 20 s 1; 20 s to 30 s 1,000,000"
    with pytest.raises(ValueError, match="histogram needs at least one count"):
        histogram((0.0,), (0,), "Videos by length")


def test_strip_is_full_and_shows_one_among_a_million() -> None:
    whole, few = (
        Bar(label="extracted", value=999_999, text="", style="good"),
        Bar(label="failed", value=1, text="", style="bad"),
    )
    svg = strip([whole, few, Bar(label="none", value=0, text="", style="muted")], "Outcomes")
    good, bad, none = (rectangles(svg, style)[0] for style in ("good", "bad", "muted"))
    assert percent(good["width"]) + percent(bad["width"]) == pytest.approx(100)
    assert percent(bad["width"]) > 0.5
    assert percent(none["width"]) == 0
    assert len(rectangles(strip([], "Outcomes"), "track")) == 1


def test_labels_are_escaped() -> None:
    svg = bar_chart([Bar(label="<script>", value=1.0, text="&")], '"><script>')
    assert "<script>" not in svg
    assert parsed(svg).get("aria-label") == '"><script>: <script> &'

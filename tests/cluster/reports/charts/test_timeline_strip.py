"""Timeline strips: geometry and texts follow the numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest

from cluster.reports.charts.timeline_strip import (
    HEIGHT,
    LANE,
    LEAST_HEIGHT,
    MAX_LANES,
    Segment,
    joined_segments,
    timeline_strip,
)


def segment(start: float, end: float, score: float = 0.5, name: str = "a") -> Segment:
    return Segment(start_seconds=start, end_seconds=end, name=name, score=score, style="hue-1")


def drawn(
    segments: Sequence[Segment], events: Sequence[Segment] = (), seconds: float = 10.0
) -> tuple[ElementTree.Element, int]:
    svg, missing = timeline_strip(segments, events, seconds, "A <video>")
    return ElementTree.fromstring(svg), missing


def extents(svg: ElementTree.Element, tag: str = "rect") -> list[tuple[float, float]]:
    found = [one for one in svg.iter(tag) if one.get("class") != "track"]
    return [(float(one.attrib["x"][:-1]), float(one.attrib["width"][:-1])) for one in found]


def test_segments_lie_at_their_times_and_are_as_high_as_their_scores() -> None:
    svg, _ = drawn([segment(0, 2.5, 1.0), segment(5, 7.5), segment(9, 10, 0.0)])
    assert extents(svg) == [(0, 25), (50, 25), (90, 10)]
    heights = [(float(one.attrib["y"]), float(one.attrib["height"])) for one in svg.iter("rect")][1:]
    assert heights == [(0, HEIGHT), (HEIGHT / 2, HEIGHT / 2), (HEIGHT - LEAST_HEIGHT, LEAST_HEIGHT)]
    assert [one.text for one in svg.iter("title")][1:3] == [
        "a: 0:00 to 0:02.5, score 1.00",
        "a: 0:05 to 0:07.5, score 0.50",
    ]
    assert svg.get("aria-label") == "A <video>"
    assert [one.text for one in svg.iter("text")] == ["0:00", "0:02", "0:04", "0:06", "0:08"]


def test_a_moment_in_a_long_video_can_be_seen_and_stays_within() -> None:
    svg, _ = drawn([segment(0, 1), segment(86_399, 86_400)], seconds=86_400)
    assert extents(svg) == [(0, 0.4), (pytest.approx(99.6), 0.4)]
    assert [one.text for one in svg.iter("text")] == ["0:00", "6:00:00", "12:00:00", "18:00:00"]


def test_events_that_overlap_lie_in_lanes_of_which_there_are_few() -> None:
    events = [segment(0, 4, name="x"), segment(2, 6, name="y"), segment(4, 10, name="z")]
    svg, missing = drawn([], events)
    assert missing == 0
    assert extents(svg, "foreignObject") == [(0, 40), (20, 40), (40, 60)]
    tops = [int(one.attrib["y"]) for one in svg.iter("foreignObject")]
    assert tops[0] == tops[2] < tops[1]
    assert [(one.text, one.get("title")) for one in svg.iter("div")][1] == ("y", "y: 0:02 to 0:06, score 0.50")
    svg, missing = drawn([], [segment(0, 10)] * (MAX_LANES + 3))
    assert (missing, len(extents(svg, "foreignObject"))) == (3, MAX_LANES)
    lowest = max(int(one.attrib["y"]) + int(one.attrib["height"]) for one in svg.iter("foreignObject"))
    assert lowest < int(svg.attrib["height"])


def test_names_stay_text() -> None:
    svg, _ = drawn([segment(0, 1, name="<b>\u202e&")], [segment(0, 1, name="<b>\u202e&")])
    assert "<b>\\u202e&: 0:00 to 0:01" in [one.text.split(", ")[0] for one in svg.iter("title") if one.text]
    assert [one.text for one in svg.iter("div")] == ["<b>\\u202e&"]


def test_equal_neighbours_are_joined() -> None:
    cells = [
        segment(0, 1, 0.51),
        segment(1, 3, 0.54),
        segment(3, 4, 0.56),
        segment(5, 6, 0.56),
        segment(6, 7, 0.56, "b"),
    ]
    found = joined_segments(cells, 20)
    assert [(one.start_seconds, one.end_seconds, one.name) for one in found] == [
        (0, 3, "a"),
        (3, 4, "a"),
        (5, 6, "a"),
        (6, 7, "b"),
    ]
    assert found[0].score == pytest.approx((0.51 + 2 * 0.54) / 3)
    assert [(one.start_seconds, one.end_seconds) for one in joined_segments(cells, 1)] == [(0, 4), (5, 6), (6, 7)]


def test_events_alone_begin_at_the_top_in_as_many_lanes_as_asked_for() -> None:
    events = [segment(0, 5), segment(1, 6), segment(2, 7)]
    markup, missing = timeline_strip(None, events, 10.0, "A <video>", max_lanes=2)
    svg = ElementTree.fromstring(markup)
    assert missing == 1
    assert not list(svg.iter("rect"))
    assert len(list(svg.iter("foreignObject"))) == 2
    assert int(svg.attrib["height"]) < HEIGHT + 2 * LANE

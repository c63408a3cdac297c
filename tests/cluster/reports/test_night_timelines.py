"""Figures of timelines: colours that tell classes apart, legends, and the same in words."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from cluster.reports.charts.colours import COLOURS, OTHERS
from cluster.reports.night_timelines import NAMED, TOLD, colours_of, timeline_figures
from schemas.sampled_timelines import MAX_CELLS, NOTHING
from tests.support.timelines import sampled


def styles(chart: str) -> list[str]:
    return [one.attrib["class"] for one in ElementTree.fromstring(chart).iter("rect")][1:]


def test_a_figure_has_a_strip_a_legend_and_its_words() -> None:
    timeline = sampled([0, 0, NOTHING, 2, 1, 1, 1], [(0, 2, 0), (4, 7, 1)], more_events=3)
    (figure,) = timeline_figures([timeline])
    assert (figure["id"], figure["duration"], figure["more_events"]) == ("video", "7 s", 3)
    assert figure["legend"] == [("hue-1", "one", "3 s"), ("hue-2", "zero", "2 s"), ("hue-3", "two", "1 s")]
    assert styles(figure["chart"]) == ["hue-2", "hue-3", "hue-1"]  # equal neighbours are one
    assert ElementTree.fromstring(figure["chart"]).get("aria-label") == (
        "Timeline of video, 7 s: zero: 0:00 to 0:02, score 0.75; two: 0:03 to 0:04, score 0.75; "
        "one: 0:04 to 0:07, score 0.75. Events: zero: 0:00 to 0:02, score 0.90; one: 0:04 to 0:07, score 0.90"
    )


def test_a_class_has_one_colour_and_those_of_a_video_differ() -> None:
    first = sampled([0, 1, 1], id="first", names=("a", "b"))
    many = [
        sampled([place % 3 for place in range(9)], id=f"v{number}", names=("a", "b", f"c{number}"))
        for number in range(9)
    ]
    colours = colours_of([first, *many])
    assert len({colours[10], colours[11], colours[12]}) == 3
    alone = [sampled([0], id=str(number), names=(f"n{number}",)) for number in range(3)]
    assert set(colours_of(alone).values()) == {"hue-1"}  # all three are the class 10


def test_classes_beyond_the_colours_are_grey_and_told_together() -> None:
    names = [f"class {number}" for number in range(2 * len(COLOURS))]
    places = [place for place in range(len(names)) for _ in range(1 + (place < 3))]
    (figure,) = timeline_figures([sampled(places, names=names)])
    assert len(figure["legend"]) == NAMED + 1
    assert [name for _, name, _ in figure["legend"][:3]] == ["class 0", "class 1", "class 2"]
    assert figure["legend"][-1] == (OTHERS, f"{len(names) - NAMED} other labels", f"{len(names) - NAMED} s")
    assert len(set(styles(figure["chart"]))) == NAMED + 1
    label = ElementTree.fromstring(figure["chart"]).get("aria-label") or ""
    assert label.endswith(f"; and {len(names) - TOLD} more")


def test_a_single_class_beyond_the_named_ones_keeps_its_name() -> None:
    names = [f"class {number}" for number in range(NAMED + 1)]
    (figure,) = timeline_figures([sampled(list(range(len(names))), names=names)])
    assert figure["legend"][-1] == (OTHERS, names[-1], "1 s")


def test_no_strip_has_more_than_some_hundred_elements() -> None:
    places = [number % 3 for number in range(MAX_CELLS)]
    events = [(number, number + 0.5, number % 3) for number in range(24)]
    (figure,) = timeline_figures([sampled(places, events)])
    assert len(list(ElementTree.fromstring(figure["chart"]).iter())) < 400
    assert len(figure["chart"]) < 40_000

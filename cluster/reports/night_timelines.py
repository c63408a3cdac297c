"""Timelines of a nightly report: a strip for each video of the sample, with a legend and a text alternative.

In: `SampledTimeline`s. Out: variables of the template. A class has one colour on the whole page, and those of a video
have different ones: the `COLOURS` go to those that are seen longest, and a video's other classes are grey.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.reports.charts.colours import COLOURS, OTHERS
from cluster.reports.charts.timeline_strip import Segment, joined_segments, timeline_strip
from cluster.reports.numbers import duration_text
from cluster.reports.pages import escape_invisible
from schemas.sampled_timelines import SampledTimeline

LEVELS = 20  # of scores: neighbours on one level are drawn as one
NAMED = 6  # classes in a legend
TOLD = 12  # intervals in a text alternative


def timeline_figures(timelines: Sequence[SampledTimeline]) -> list[dict[str, Any]]:
    """A figure for each video."""
    colours = colours_of(timelines)
    return [_figure(timeline, colours) for timeline in timelines]


def colours_of(timelines: Sequence[SampledTimeline]) -> dict[int, str]:
    """The CSS class of each class's colour, by its index; those without a colour are left out.

    The classes that are seen longest come first; each takes, of the colours that no class has with which it shares a
    video, the one that fewest classes have.
    """
    seconds: dict[int, float] = {}
    together: dict[int, set[int]] = {}
    for timeline in timelines:
        shown = {one.index for one in timeline.classes}
        for place, one in enumerate(timeline.classes):
            happened = sum(each.end_seconds - each.start_seconds for each in timeline.events if each.place == place)
            seconds[one.index] = seconds.get(one.index, 0.0) + timeline.seconds_of(place) + happened
            together.setdefault(one.index, set()).update(shown)
    colours: dict[int, int] = {}
    for index in sorted(seconds, key=lambda index: (-seconds[index], index)):
        taken = {colours[other] for other in together[index] if other in colours}
        used = Counter(colours.values())
        free = [colour for colour in range(1, len(COLOURS)) if colour not in taken]
        if free:
            colours[index] = min(free, key=lambda colour: (used[colour], colour))
    return {index: f"hue-{colour}" for index, colour in colours.items()}


def _figure(timeline: SampledTimeline, colours: Mapping[int, str]) -> dict[str, Any]:
    seconds = [timeline.seconds_of(place) for place in range(len(timeline.classes))]
    coloured = [place for place, one in enumerate(timeline.classes) if one.index in colours]
    named = sorted(coloured, key=lambda place: (-seconds[place], place))[:NAMED]
    styles = [colours[one.index] if place in named else OTHERS for place, one in enumerate(timeline.classes)]

    def segment(start: float, end: float, place: int, score: float) -> Segment:
        name = timeline.classes[place].name
        return Segment(start_seconds=start, end_seconds=end, name=name, score=score, style=styles[place])

    segments = [segment(*cell) for cell in timeline.cells()]
    events = [segment(one.start_seconds, one.end_seconds, one.place, one.score) for one in timeline.events]
    chart, undrawn = timeline_strip(
        joined_segments(segments, LEVELS), events, timeline.seconds, _description(timeline, segments, events)
    )
    legend = [(styles[place], timeline.classes[place].name, seconds[place]) for place in named]
    rest = [place for place in range(len(styles)) if place not in named]
    if rest:
        name = timeline.classes[rest[0]].name if len(rest) == 1 else f"{len(rest)} other labels"
        legend.append((OTHERS, name, sum(seconds[place] for place in rest)))
    return {
        "id": timeline.id,
        "duration": duration_text(timeline.seconds),
        "chart": chart,
        "legend": [(style, name, duration_text(lasted) if lasted else "") for style, name, lasted in legend],
        "more_events": timeline.more_events + undrawn,
    }


def _description(timeline: SampledTimeline, segments: Sequence[Segment], events: Sequence[Segment]) -> str:
    seen = _told(joined_segments(segments, 1))
    happened = f". Events: {_told(events)}" if events else ""
    return f"Timeline of {escape_invisible(timeline.id)}, {duration_text(timeline.seconds)}: {seen}{happened}"


def _told(intervals: Sequence[Segment]) -> str:
    more = len(intervals) - TOLD
    return "; ".join([one.title for one in intervals[:TOLD]] + ([f"and {more} more"] if more > 0 else []))

"""Timeline strip: what a classifier sees over the time of a video, and its events below.

In: segments and events, in seconds, each with a CSS class for its colour. Out: `Markup`, one `<svg>` as wide as its
container (`cluster.reports.charts.svg`). A segment is as high as its score; where there is none, the video has no step.
Names of events are HTML, which the style sheet shortens to the length of the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.reports.charts.bars import TIME_STEPS_SECONDS
from cluster.reports.charts.svg import CHART, GRID, RECT, TEXT
from cluster.reports.numbers import clock_text
from cluster.reports.pages import escape_invisible

HEIGHT = 44  # of a segment whose score is 1
LEAST_HEIGHT = 3
AXIS = 20  # room for the times
LANE = 22
MAX_LANES = 4
MAX_TICKS = 5
LEAST_WIDTH = 0.4  # percent

_EVENT = Markup(
    '<foreignObject x="{:.3f}%" y="{}" width="{:.3f}%" height="{}">'
    '<div class="event {}" title="{}">{}</div></foreignObject>'
)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A time in which one class has the highest score; `style` is the CSS class of its colour."""

    start_seconds: float
    end_seconds: float
    name: str
    score: float
    style: str

    @property
    def title(self) -> str:
        """Class, time and score in words."""
        return f"{escape_invisible(self.name)}: {self.times}, score {self.score:.2f}"

    @property
    def times(self) -> str:
        """Start and end."""
        return f"{clock_text(self.start_seconds)} to {clock_text(self.end_seconds)}"


def timeline_strip(
    segments: Sequence[Segment] | None,
    events: Sequence[Segment],
    seconds: float,
    description: str,
    *,
    max_lanes: int = MAX_LANES,
) -> tuple[Markup, int]:
    """Draw a video of so many `seconds`, and up to `max_lanes` events above one another; returns how many are missing.

    Segments and events are in the order of their starts; without segments (None), there are events alone.
    """
    pieces = []
    top = 0 if segments is None else HEIGHT
    if segments is not None:
        pieces.append(RECT.format(0, 0, 100, HEIGHT, 0, "track", "no scores"))
        for one in segments:
            height = max(HEIGHT * one.score, LEAST_HEIGHT)
            left, width = _extent(one, seconds)
            pieces.append(RECT.format(left, HEIGHT - height, width, height, 0, one.style, one.title))
    pieces.append(GRID.format(top, "axis"))
    step = next((step for step in TIME_STEPS_SECONDS if seconds / step <= MAX_TICKS), TIME_STEPS_SECONDS[-1])
    for number in range(int(seconds / step + 1e-6) + 1):
        across = 100 * number * step / seconds
        if number == 0 or across <= 97:
            anchor = "middle" if number else "start"
            pieces.append(TEXT.format(across, top + 15, f"tick {anchor}", clock_text(number * step)))
    lanes = _lanes(events, max_lanes)
    for one, lane in lanes:
        left, width = _extent(one, seconds)
        name = escape_invisible(one.name)
        pieces.append(_EVENT.format(left, top + AXIS + LANE * lane, width, LANE - 3, one.style, one.title, name))
    height = top + AXIS + LANE * (max((lane + 1 for _, lane in lanes), default=0))
    return CHART.format(description, height, Markup("").join(pieces)), len(events) - len(lanes)


def joined_segments(segments: Sequence[Segment], levels: int) -> list[Segment]:
    """Segments of a class that touch, and whose scores round to the same one of so many `levels`, as one."""
    found: list[Segment] = []
    for one in segments:
        last = found[-1] if found else None
        if last is None or not _is_same(last, one, levels):
            found.append(one)
            continue
        lasted, adds = (each.end_seconds - each.start_seconds for each in (last, one))
        found[-1] = Segment(
            start_seconds=last.start_seconds,
            end_seconds=one.end_seconds,
            name=last.name,
            score=(last.score * lasted + one.score * adds) / (lasted + adds),
            style=last.style,
        )
    return found


def _is_same(last: Segment, one: Segment, levels: int) -> bool:
    touch = one.start_seconds - last.end_seconds < 1e-6
    return touch and (last.name, last.style) == (one.name, one.style) and _level(last, levels) == _level(one, levels)


def _level(segment: Segment, levels: int) -> int:
    return min(int(segment.score * levels), levels - 1)


def _extent(segment: Segment, seconds: float) -> tuple[float, float]:
    """Left end and width, in percent, of no less than can be seen, within the chart."""
    width = max(100 * (segment.end_seconds - segment.start_seconds) / seconds, LEAST_WIDTH)
    return min(100 * segment.start_seconds / seconds, 100 - min(width, 100)), min(width, 100)


def _lanes(events: Sequence[Segment], count: int) -> list[tuple[Segment, int]]:
    """Events with the first lane that is free; without those for which there is none."""
    ends = [0.0] * count
    placed = []
    for event in events:
        lane = next((lane for lane, end in enumerate(ends) if end <= event.start_seconds), None)
        if lane is not None:
            ends[lane] = event.end_seconds
            placed.append((event, lane))
    return placed

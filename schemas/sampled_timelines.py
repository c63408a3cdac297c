"""The timeline of a video as a report shows it: in cells of equal length, of one step or several each.

A video of any length has at most `MAX_CELLS` cells and `MAX_EVENTS` events, so that a record stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from schemas.records import Checked

MAX_CELLS = 120
MAX_EVENTS = 24
NOTHING = -1  # in place of a class: no step of a cell has a score


@dataclass(frozen=True, kw_only=True)
class TimelineClass:
    """A class of a timeline: its index in labels, and its name."""

    index: int
    name: str


@dataclass(frozen=True, kw_only=True)
class SampledEvent:
    """An interval in which a class stays above a threshold; `place` is that of the class among the timeline's."""

    start_seconds: float
    end_seconds: float
    place: int
    score: float


@dataclass(frozen=True, kw_only=True)
class SampledTimeline(Checked):
    """The timeline of the video `id`.

    seconds       end of its last step
    cell_seconds  time that a cell stands for; the last cell may be shorter
    classes       those that occur in cells or events
    places        of the class with the highest mean score in each cell, among `classes`; `NOTHING` where it has no step
    scores        that mean score; 0 where a cell has no step
    events        the longest ones, in the order of their starts
    more_events   how many others there are
    """

    id: str
    seconds: float
    cell_seconds: float
    classes: tuple[TimelineClass, ...]
    places: tuple[int, ...]
    scores: tuple[float, ...]
    events: tuple[SampledEvent, ...]
    more_events: int = 0

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not 0 < len(self.places) == len(self.scores) <= MAX_CELLS:
            yield f"{len(self.places)} places and {len(self.scores)} scores, expected as many, 1 to {MAX_CELLS}"
        if len(self.events) > MAX_EVENTS:
            yield f"{len(self.events)} events, at most {MAX_EVENTS}"
        if not 0 < self.seconds <= len(self.places) * self.cell_seconds * (1 + 1e-6):
            yield f"{self.seconds} s do not fit in {len(self.places)} cells of {self.cell_seconds} s"
        places = {*self.places, *(event.place for event in self.events)} - {NOTHING}
        wrong = sorted(place for place in places if not 0 <= place < len(self.classes))
        if wrong:
            yield f"there is no class {wrong[0]}: there are {len(self.classes)}"

    def seconds_of(self, place: int) -> float:
        """For how long a class is the one with the highest score."""
        return sum(end - start for start, end, found, _ in self.cells() if found == place)

    def cells(self) -> Iterator[tuple[float, float, int, float]]:
        """Start and end of each cell in seconds, its place and its score; without cells that have no step."""
        for number, (place, score) in enumerate(zip(self.places, self.scores, strict=True)):
            if place != NOTHING:
                start = number * self.cell_seconds
                yield start, min(start + self.cell_seconds, self.seconds), place, score

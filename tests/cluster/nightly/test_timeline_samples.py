"""Samples of timelines: the same however the rows lie, and as small for a day of video as for a minute."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cluster.nightly.timeline_samples import SAMPLED_VIDEOS, TimelineSamples
from schemas.sampled_timelines import MAX_CELLS, MAX_EVENTS, NOTHING, SampledTimeline
from schemas.timelines import EventRules
from tests.support.timelines import INDICES, NAMES, timeline_labels, timeline_of


def samples_of(*tables: pa.Table, rows: int = 4, step_seconds: float = 1.0) -> tuple[SampledTimeline, ...]:
    samples = TimelineSamples(INDICES, NAMES, step_seconds)
    for table in tables:
        for batch in table.to_batches(rows):
            samples.add(batch)
    return samples.result()


def test_a_short_video_has_a_cell_for_each_step() -> None:
    timeline = timeline_of({0: (0.75, 0.25, 0), 1: (0.25, 0.5, 0.25), 3: (0.125, 0.875, 0)}, 0.5)
    (found,) = samples_of(timeline_labels({"a": timeline}), step_seconds=0.5)
    assert (found.id, found.seconds, found.cell_seconds) == ("a", 2.0, 0.5)
    assert [(one.index, one.name) for one in found.classes] == [(10, "zero"), (11, "one")]
    assert found.places == (0, 1, NOTHING, 1)
    assert found.scores == (0.75, 0.5, 0.0, 0.875)
    assert [(one.start_seconds, one.end_seconds, one.place, one.score) for one in found.events] == [
        (0.0, 0.5, 0, 0.75),
        (0.5, 1.0, 1, 0.5),
        (1.5, 2.0, 1, 0.875),
    ]


def test_cells_of_a_long_video_have_the_class_with_the_highest_mean_score() -> None:
    steps = 3 * MAX_CELLS - 1  # three to a cell, but for the last
    scores = {number: ((0.5, 0.25, 0.0) if number % 3 == 2 else (0.25, 0.5, 0.0)) for number in range(steps)}
    scores[0], scores[1], scores[2] = (0.5, 0.25, 0.25), (0.5, 0.25, 0.25), (0.0, 0.25, 0.75)
    (found,) = samples_of(timeline_labels({"a": timeline_of(scores)}, EventRules(threshold=0.5, end_threshold=0.5)))
    assert (len(found.places), found.cell_seconds, found.seconds) == (MAX_CELLS, 3.0, steps)
    # Of three steps, the third class has a score in one, 0.75: a mean of 0.25, below that of the first.
    assert (found.classes[found.places[0]].name, found.scores[0]) == ("zero", 0.333)
    assert {
        (found.classes[place].name, score) for place, score in zip(found.places[1:-1], found.scores[1:-1], strict=True)
    } == {("one", 0.417)}
    assert (found.classes[found.places[-1]].name, found.scores[-1]) == ("one", 0.5)
    assert len(found.events) == MAX_EVENTS
    assert found.more_events > MAX_EVENTS
    assert min(one.end_seconds - one.start_seconds for one in found.events) == 2


def test_the_sample_does_not_depend_on_how_rows_lie() -> None:
    rng = np.random.default_rng(0)
    timelines = {
        f"v{number}": timeline_of({step: rng.dirichlet([1, 1, 1]) for step in range(4)}) for number in range(40)
    }
    timelines |= {f"empty{number}": timeline_of({}) for number in range(9)}
    table = timeline_labels(timelines)
    found = samples_of(table)
    assert len(found) == SAMPLED_VIDEOS
    assert not [one.id for one in found if one.id.startswith("empty")]
    assert samples_of(table.slice(20), table.slice(0, 20), rows=7) == found
    assert samples_of(table.slice(20), table.slice(0, 20), rows=1000) == found
    assert samples_of(timeline_labels({"empty": timeline_of({})})) == ()


@pytest.mark.parametrize("step_seconds", [1 / 3, 0.04, 2.5])
def test_steps_are_found_by_their_time(step_seconds: float) -> None:
    timeline = timeline_of(dict.fromkeys((0, 5, 99), (0.75, 0.25, 0)), step_seconds)
    (found,) = samples_of(timeline_labels({"a": timeline}), step_seconds=step_seconds)
    assert [number for number, place in enumerate(found.places) if place != NOTHING] == [0, 5, 99]
    assert found.seconds == pytest.approx(100 * step_seconds, abs=1e-3)

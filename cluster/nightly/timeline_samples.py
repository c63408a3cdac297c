"""Timelines of a sample of the day's videos, streamed from its label shards.

In: batches of label rows with timelines and events (`schemas.timelines`). Out: `SampledTimeline`s. Memory holds one
batch and the videos that are shown: those whose ids have the lowest hash, so that the sample does not depend on their
distribution over shards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.nightly.statistics import id_hashes
from schemas.sampled_timelines import MAX_CELLS, MAX_EVENTS, NOTHING, SampledEvent, SampledTimeline, TimelineClass

SAMPLED_VIDEOS = 12
DIGITS = 3  # of scores and seconds in a record


class TimelineSamples:
    """Samples timelines with steps of `step_seconds`, of the classes `indices`, named `names`."""

    def __init__(self, indices: Sequence[int], names: Sequence[str], step_seconds: float) -> None:
        self._names, self._step_seconds = dict(zip(indices, names, strict=True)), step_seconds
        self._sampled: dict[int, SampledTimeline] = {}  # by hash

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at the n rows of a batch."""
        hashes = id_hashes(batch.column("id"))
        has_steps = pc.greater(pc.list_value_length(batch.column("timeline")), 0).to_numpy(zero_copy_only=False)
        found = np.flatnonzero(has_steps)
        for row in found[np.argsort(hashes[found], kind="stable")][:SAMPLED_VIDEOS].tolist():
            self._sampled[int(hashes[row])] = self._timeline(batch.slice(row, 1))
        self._sampled = {name: self._sampled[name] for name in sorted(self._sampled)[:SAMPLED_VIDEOS]}

    def result(self) -> tuple[SampledTimeline, ...]:
        """The timelines of the sample."""
        return tuple(self._sampled.values())

    @property
    def shown(self) -> set[str]:
        """The ids of the sample, as far as rows have been looked at."""
        return {one.id for one in self._sampled.values()}

    def _timeline(self, row: pa.RecordBatch) -> SampledTimeline:
        steps = row.column("timeline").flatten()
        numbers = np.rint(steps.field("seconds").to_numpy() / self._step_seconds).astype(np.int64)  # (s,), ascending
        cells, scores, step_count = _cells(numbers, steps.field("index").to_numpy(), steps.field("score").to_numpy())
        every = row.column("events")[0].as_py()
        longest = sorted(every, key=lambda event: event["start"] - event["end"])[:MAX_EVENTS]
        events = sorted(longest, key=lambda event: (event["start"], event["index"]))
        occurring = dict.fromkeys([*cells, *(event["index"] for event in events)])
        indices = [index for index in occurring if index != NOTHING]
        place_of = {index: place for place, index in enumerate(indices)} | {NOTHING: NOTHING}
        return SampledTimeline(
            id=row.column("id")[0].as_py(),
            seconds=round(step_count * self._step_seconds, DIGITS),
            cell_seconds=math.ceil(step_count / MAX_CELLS) * self._step_seconds,
            classes=tuple(TimelineClass(index=index, name=self._names[index]) for index in indices),
            places=tuple(place_of[index] for index in cells),
            scores=tuple(round(score, DIGITS) for score in scores),
            events=tuple(_event(event, place_of) for event in events),
            more_events=len(every) - len(events),
        )


def _cells(
    numbers: NDArray[np.int64], indices: NDArray[np.int32], scores: NDArray[np.float32]
) -> tuple[list[int], list[float], int]:
    """The class with the highest mean score in each cell, this score, and the number of steps up to the last one.

    In: the best classes of all steps, (s,) each. A class counts as 0 in steps of which it is not among the best.
    """
    step_count = int(numbers[-1]) + 1
    cell_steps = math.ceil(step_count / MAX_CELLS)
    present = np.unique(numbers)
    steps_of = np.bincount(present // cell_steps)  # (cells,) steps that have scores
    known, places = np.unique(indices, return_inverse=True)
    sums = np.zeros((len(steps_of), len(known)))
    np.add.at(sums, (numbers // cell_steps, places), scores)
    best = sums.argmax(axis=1)
    tops = np.where(steps_of > 0, known[best], NOTHING)
    means = sums[np.arange(len(sums)), best] / np.maximum(steps_of, 1)
    return tops.tolist(), means.tolist(), step_count


def _event(event: dict[str, Any], place_of: dict[int, int]) -> SampledEvent:
    return SampledEvent(
        start_seconds=round(event["start"], DIGITS),
        end_seconds=round(event["end"], DIGITS),
        place=place_of[event["index"]],
        score=round(event["score"], DIGITS),
    )

"""Timelines of videos from the features of their frames (`cluster.features.steps`), a block of a file at a time.

In: a block with the frames of N videos. Out: a `Timeline` for each of those that are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.inference.timelines import TimelineForm
from cluster.features.blocks import FeatureBlock
from cluster.features.steps import FrameSteps, StepGrid, step_batches
from schemas.timelines import Timeline, joined_timeline
from schemas.videos import Seconds


@dataclass(frozen=True, kw_only=True)
class FeatureTimelines:
    """Which steps there are, what each looks at, and what a timeline holds of them."""

    grid: StepGrid
    form: TimelineForm

    def of_block(
        self,
        classifier: TrainedClassifier,
        block: FeatureBlock,
        rows: NDArray[np.int64],
        start_seconds: Sequence[Seconds],
    ) -> list[Timeline]:
        """The timelines of some of a block's videos, whose features are of the part from `start_seconds` on."""
        steps = [self._steps(block, row, start) for row, start in zip(rows.tolist(), start_seconds, strict=True)]
        bounds = np.cumsum([0, *(len(one.numbers) for one in steps)])
        joined = FrameSteps(
            np.concatenate([one.numbers for one in steps]),
            np.concatenate([one.first for one in steps]),
            np.concatenate([one.stop for one in steps]),
        )
        parts: list[list[Timeline]] = [[] for _ in steps]
        for taken, batch in step_batches(block, joined, classifier.level):
            logits = classifier.logits(batch)
            first = int(np.searchsorted(bounds, taken.start, "right")) - 1
            last = int(np.searchsorted(bounds, taken.stop, "left"))
            for video in range(first, last):
                start, stop = max(int(bounds[video]), taken.start), min(int(bounds[video + 1]), taken.stop)
                own = logits[start - taken.start : stop - taken.start]
                parts[video].append(self.form.timeline(joined.numbers[start:stop], own))
        return [joined_timeline(own) for own in parts]

    def _steps(self, block: FeatureBlock, row: int, start_seconds: Seconds) -> FrameSteps:
        """The steps of a video, their frames as positions in the block."""
        assert block.frame_offsets is not None
        before, end = block.frame_offsets[row : row + 2].tolist()
        gaps = block.gaps[row] if block.gaps else ()
        steps = self.grid.steps(end - before, start_seconds=start_seconds, gaps=gaps)
        return FrameSteps(steps.numbers, steps.first + before, steps.stop + before)

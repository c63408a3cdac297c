"""Timelines from a classifier's logits at each step, and the labels of a video with a timeline.

In: numbers of steps (n,) and logits (n, K), of one model or joint ones of several (`classifiers.inference.ensemble`).
Out: a `Timeline` (`schemas.timelines`). n steps, K classes, k best classes of each.

The best classes of a step are those of `classifiers.inference.base.top_classes`; strong scores and the sum over the
steps are of probabilities in fp32, a sixtieth of the time that fp64 takes with thousands of classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.base import top_classes
from classifiers.metrics.top_predictions import top_predictions
from schemas.timelines import Timeline


@dataclass(frozen=True, kw_only=True)
class TimelineForm:
    """What a timeline holds.

    step_seconds     time that a step stands for
    top_k            number of the best classes of a step
    strong_score     scores from this on may belong to events
    is_single_label  whether the probabilities of a step add up to 1
    """

    step_seconds: float
    top_k: int
    strong_score: float
    is_single_label: bool

    def timeline(self, numbers: NDArray[np.int64], logits: Tensor) -> Timeline:
        """The timeline of steps whose logits (n, K) are on the CPU."""
        places, scores = top_classes(logits, self.top_k, is_single_label=self.is_single_label)
        probabilities = logits.float().softmax(dim=1) if self.is_single_label else logits.float().sigmoid()
        values = probabilities.numpy()
        rows, strong_places = np.nonzero(values >= self.strong_score)
        return Timeline(
            self.step_seconds,
            numbers,
            places,
            scores,
            numbers[rows],
            strong_places,
            values[rows, strong_places],
            probabilities.sum(dim=0, dtype=torch.float64).numpy(),
        )


def mean_labels(timeline: Timeline, top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The top classes of a video by the mean of its steps' probabilities, and these means, (k,) each."""
    means = timeline.probability_sum / len(timeline.numbers)
    places, scores = top_predictions(means[None], top_k)
    return places[0], np.minimum(scores[0], 1.0).astype(np.float32)

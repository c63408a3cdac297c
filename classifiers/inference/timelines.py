"""Timelines from a classifier's logits at each step, and the labels of a video with a timeline.

In: numbers of steps (n,) and logits (n, K), of one model or joint ones of several (`classifiers.inference.ensemble`).
Out: a `Timeline` (`schemas.timelines`). n steps, K classes, k best classes of each.

Where some classes are `sensitive`, a timeline has two classes in place of them all, harmless and sensitive: the second
has the probability that any of those has, of a multi-label model the highest of theirs. Only it makes events.

The best classes of a step are those of `classifiers.inference.base.top_classes`; strong scores and the sum over the
steps are of probabilities in fp32, a sixtieth of the time that fp64 takes with thousands of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.base import top_classes
from classifiers.metrics.top_predictions import top_predictions
from schemas.timelines import Timeline

HARMLESS, SENSITIVE = 0, 1  # places of the two classes


@dataclass(frozen=True, kw_only=True)
class TimelineForm:
    """What a timeline holds.

    step_seconds     time that a step stands for
    top_k            number of the best classes of a step
    strong_score     scores from this on may belong to events
    is_single_label  whether the probabilities of a step add up to 1
    sensitive        places of the classes that count as sensitive, if the timeline is of two classes
    """

    step_seconds: float
    top_k: int
    strong_score: float
    is_single_label: bool
    sensitive: tuple[int, ...] = ()

    def timeline(self, numbers: NDArray[np.int64], logits: Tensor) -> Timeline:
        """The timeline of steps whose logits (n, K) are on the CPU."""
        if self.sensitive:
            logits = two_classes(logits, self.sensitive, is_single_label=self.is_single_label)
        is_single_label = self.is_single_label or bool(self.sensitive)
        places, scores = top_classes(logits, self.top_k, is_single_label=is_single_label)
        probabilities = logits.float().softmax(dim=1) if is_single_label else logits.float().sigmoid()
        values = probabilities.numpy()
        is_strong = values >= self.strong_score
        if self.sensitive:
            is_strong[:, HARMLESS] = False
        rows, strong_places = np.divmod(np.flatnonzero(is_strong), values.shape[1])  # fast
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


def two_classes(logits: Tensor, sensitive: Sequence[int], *, is_single_label: bool) -> Tensor:
    """Logits (n, K) to logits (n, 2) of harmless and sensitive, whose softmax is their probability."""
    counting = logits[:, list(sensitive)]
    if not is_single_label:
        highest = counting.amax(dim=1)
        return torch.stack([torch.zeros_like(highest), highest], dim=1)
    others = [place for place in range(logits.shape[1]) if place not in sensitive]
    return torch.stack([logits[:, others].logsumexp(dim=1), counting.logsumexp(dim=1)], dim=1)


def mean_labels(timeline: Timeline, top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The top classes of a video by the mean of its steps' probabilities, and these means, (k,) each."""
    means = timeline.probability_sum / len(timeline.numbers)
    places, scores = top_predictions(means[None], top_k)
    return places[0], np.minimum(scores[0], 1.0).astype(np.float32)

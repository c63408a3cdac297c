"""Timelines hold the best and the strong classes of each step, and labels are means over the steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.inference.timelines import TimelineForm, mean_labels
from schemas.timelines import joined_timeline

NUMBERS = np.array([3, 4, 7])
LOGITS = torch.tensor([[2.0, -1.0, 0.5, 2.0], [-3.0, 0.0, 4.0, -5.0], [0.1, 0.2, 0.3, 0.4]])


@pytest.mark.parametrize("is_single_label", [True, False])
def test_best_strong_and_summed_scores(is_single_label: bool) -> None:
    form = TimelineForm(step_seconds=0.5, top_k=2, strong_score=0.4, is_single_label=is_single_label)
    timeline = form.timeline(NUMBERS, LOGITS)
    logits = LOGITS.double().numpy()
    exponents = np.exp(logits)
    expected = exponents / exponents.sum(axis=1, keepdims=True) if is_single_label else 1 / (1 + np.exp(-logits))
    assert timeline.step_seconds == 0.5
    assert timeline.numbers.tolist() == [3, 4, 7]
    assert timeline.places.tolist() == [[0, 3], [2, 1], [3, 2]]  # equal logits in the order of the classes
    np.testing.assert_allclose(timeline.scores, np.take_along_axis(expected, timeline.places, 1), rtol=1e-6)
    strong = [(step, place) for step, row in zip(NUMBERS, expected, strict=True) for place in np.flatnonzero(row > 0.4)]
    assert list(zip(timeline.strong_steps, timeline.strong_places, strict=True)) == strong
    rows = np.searchsorted(NUMBERS, timeline.strong_steps)
    np.testing.assert_allclose(timeline.strong_scores, expected[rows, timeline.strong_places], rtol=1e-6)
    assert timeline.scores.dtype == timeline.strong_scores.dtype == np.float32
    assert timeline.numbers.dtype == timeline.strong_steps.dtype == np.int64
    np.testing.assert_allclose(timeline.probability_sum, expected.sum(axis=0), rtol=1e-6)


def test_labels_are_the_means_of_all_steps_whatever_their_parts() -> None:
    form = TimelineForm(step_seconds=1.0, top_k=2, strong_score=0.4, is_single_label=True)
    parts = [form.timeline(NUMBERS[part], LOGITS[part]) for part in (slice(0, 2), slice(2, 3), slice(3, 3))]
    places, scores = mean_labels(joined_timeline(parts), 3)
    means = LOGITS.double().softmax(dim=1).mean(dim=0).numpy()
    assert places.tolist() == np.argsort(-means)[:3].tolist()
    np.testing.assert_allclose(scores, np.sort(means)[::-1][:3], rtol=1e-6)
    assert scores.dtype == np.float32

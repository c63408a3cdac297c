"""Timelines hold the best and the strong classes of each step, and labels are means over the steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.inference.timelines import SENSITIVE, TimelineForm, mean_labels
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


def test_two_classes_stand_for_all_where_some_are_sensitive() -> None:
    form = TimelineForm(step_seconds=1.0, top_k=5, strong_score=0.4, is_single_label=True, sensitive=(0, 3))
    timeline = form.timeline(NUMBERS, LOGITS)
    expected = LOGITS.double().softmax(dim=1)[:, [0, 3]].sum(dim=1).numpy()
    order = [[1, 0] if share > 0.5 else [0, 1] for share in expected]
    assert timeline.places.tolist() == order
    np.testing.assert_allclose(timeline.scores.max(axis=1), np.maximum(expected, 1 - expected), rtol=1e-6)
    assert timeline.strong_places.tolist() == [SENSITIVE] * int((expected >= 0.4).sum())  # harmless steps make no event
    np.testing.assert_allclose(timeline.probability_sum, [(1 - expected).sum(), expected.sum()], rtol=1e-6)
    timeline.check(2)


def test_of_a_multi_label_model_the_highest_score_counts() -> None:
    form = TimelineForm(step_seconds=1.0, top_k=2, strong_score=0.4, is_single_label=False, sensitive=(1, 2))
    scores = form.timeline(NUMBERS, LOGITS).probability_sum[SENSITIVE]
    assert scores == pytest.approx(float(LOGITS.double().sigmoid()[:, [1, 2]].amax(dim=1).sum()), rel=1e-6)

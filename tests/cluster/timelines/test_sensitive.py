from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.inference.timelines import HARMLESS, SENSITIVE, TimelineForm
from cluster.timelines.sensitive import LABELS, counting_places, label_config, sensitive_label
from schemas.timelines import EventRules, Timeline
from tests.support.clips import trained_clips

RULES = EventRules(threshold=0.5, end_threshold=0.4, min_seconds=2.0)


def timeline(*shares: float) -> Timeline:
    """Steps of a second with these probabilities of being sensitive."""
    chances = torch.tensor(shares, dtype=torch.float64)
    logits = torch.stack([torch.zeros(len(shares)), torch.logit(chances).float()], dim=1)
    form = TimelineForm(
        step_seconds=1.0, top_k=1, strong_score=RULES.end_threshold, is_single_label=True, sensitive=(1,)
    )
    return form.timeline(np.arange(len(shares)), logits)


@pytest.mark.parametrize(
    ("shares", "place", "score"),
    [
        ((0.1, 0.6, 0.8, 0.1), SENSITIVE, 0.7),
        ((0.6, 0.6, 0.1, 0.9, 0.7), SENSITIVE, 0.8),  # the stronger one of two
        ((0.1, 0.9, 0.1), HARMLESS, 0.1),  # too short for an event
        ((0.1, 0.3, 0.2), HARMLESS, 0.7),
    ],
)
def test_a_video_with_an_event_is_sensitive(shares: tuple[float, ...], place: int, score: float) -> None:
    places, scores = sensitive_label(timeline(*shares), RULES)
    assert places.tolist() == [place]
    np.testing.assert_allclose(scores, [score], rtol=1e-5)


def classifier(classes: int, task: str = "single-label") -> TrainedClipClassifier:
    return TrainedClipClassifier({"c": trained_clips(classes=classes, task=task)})


def test_the_classes_that_count_are_named_unless_there_is_one() -> None:
    assert counting_places(classifier(3), ["Class 2", "Class 0"]) == (0, 2)
    assert counting_places(classifier(1, "multi-label"), ()) == (0,)
    assert counting_places(classifier(2, "multi-label"), ["Class 0", "Class 1"]) == (0, 1)
    with pytest.raises(ValueError, match=r"give --sensitive-class: .* count \(Class 0, Class 1\)"):
        counting_places(classifier(2), ())
    with pytest.raises(ValueError, match=r"--sensitive-class names violence; the classes of .* are Class 0, Class 1"):
        counting_places(classifier(2), ["violence"])
    with pytest.raises(ValueError, match="at least one must be harmless"):
        counting_places(classifier(2), ["Class 0", "Class 1"])
    with pytest.raises(ValueError, match="give --sensitive-class"):
        counting_places(classifier(1), ())  # which is sure of its one class, whatever it sees


def test_labels_have_two_classes() -> None:
    config = label_config(classifier(4).config)
    assert (config.class_names, config.class_indices, config.num_classes) == (LABELS, (0, 1), 2)

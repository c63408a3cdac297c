"""Top classes of logits, and checkpoints that can be used together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.inference.base import Classifier, top_classes
from classifiers.weights.checkpoint import CheckpointError
from tests.support.checkpoints import trained

LOGITS = torch.tensor([[1.0, 3.0, 2.0, 3.0], [-5.0, -9.0, -7.0, -8.0]])


@pytest.mark.parametrize("is_single_label", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_classes_are_ranked_by_logits_and_scored_by_probabilities(is_single_label: bool, temperature: float) -> None:
    classes, scores = top_classes(LOGITS, 3, is_single_label=is_single_label, temperature=temperature)
    assert classes.tolist() == [[1, 3, 2], [0, 2, 3]]
    scaled = LOGITS.double() / temperature
    probabilities = (scaled.softmax(dim=1) if is_single_label else scaled.sigmoid()).numpy()
    np.testing.assert_allclose(scores, np.take_along_axis(probabilities, classes, 1), rtol=1e-6)
    assert scores.dtype == np.float32


def test_softmax_is_over_all_classes_whatever_top_k() -> None:
    (one, _), (four, _) = (top_classes(LOGITS, top_k, is_single_label=True)[1] for top_k in (1, 4))
    assert one[0] == four[0]
    assert four.sum() == pytest.approx(1)


@pytest.mark.parametrize("is_single_label", [True, False])
def test_extreme_logits_keep_their_order_and_probabilities_stay_at_most_1(is_single_label: bool) -> None:
    classes, scores = top_classes(torch.tensor([[1e4, 2e4, -3e4, -2e4]]), 4, is_single_label=is_single_label)
    assert classes.tolist() == [[1, 0, 3, 2]]
    assert np.isfinite(scores).all()
    assert scores.max() <= 1
    assert scores.min() >= 0


def test_a_classifier_is_named_after_its_models_and_weights() -> None:
    members = {"a": trained("dense-5"), "b": trained("logistic", seed=1)}
    hashes = [member.config.weights_sha256[:12] for member in members.values()]
    classifier = Classifier(members)
    assert classifier.name == f"dense-5@{hashes[0]}+logistic@{hashes[1]}"
    assert classifier.config is members["a"].config
    assert classifier.is_single_label
    assert not Classifier({"m": trained(task="multi-label")}).is_single_label


def test_checkpoints_that_differ_are_refused_with_shortened_values() -> None:
    wide = {"a": trained(classes=40), "b": trained(classes=40, indices=range(100, 140))}
    with pytest.raises(CheckpointError) as caught:
        Classifier(wide)
    (problem,) = caught.value.problems
    assert problem.startswith("b: class_indices [100, 101, ")
    assert all(len(part) < 85 for part in problem.split(", a has "))
    assert "..." in problem


def test_further_fields_must_be_equal_only_where_they_are_named() -> None:
    members = {"a": trained(fingerprint={"fps": "1"}), "b": trained(fingerprint={"fps": "2"})}
    Classifier(members)
    with pytest.raises(CheckpointError, match=r"b: feature_fingerprint \{'fps': '2'\}, a has \{'fps': '1'\}"):
        Classifier(members, ("feature_fingerprint",))

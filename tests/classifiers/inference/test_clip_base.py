from __future__ import annotations

import numpy as np
import pytest

from classifiers.inference.clip_base import ClipClassifier, ViewMean
from classifiers.weights.checkpoint import CheckpointError
from tests.support.clips import OPTIONS, trained_clips


def test_the_embedding_is_the_mean_of_the_features() -> None:
    outputs = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert ViewMean(2, True).embedding(outputs).tolist() == [4.0, 5.0]


@pytest.mark.parametrize("is_single_label", [True, False])
def test_labels_are_the_mean_of_the_probabilities_of_the_clips(is_single_label: bool) -> None:
    outputs = np.random.default_rng(0).normal(size=(3, 2 + 5)).astype(np.float32)
    logits = outputs[:, 2:].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) if is_single_label else 1 / (1 + np.exp(-logits))
    places, scores = ViewMean(2, is_single_label).top_classes(outputs, 5)
    np.testing.assert_allclose(scores[np.argsort(places)], shares.mean(0), rtol=1e-6)
    assert list(scores) == sorted(scores, reverse=True)


def test_networks_of_one_input_and_the_same_classes_go_together() -> None:
    members = {"a": trained_clips(), "b": trained_clips(seed=1)}
    found = ClipClassifier(members, feature_dim=7, stream_members=1)
    assert (found.dim, found.is_stream, found.fingerprint) == (11, False, {})
    assert found.clips == members["a"].config.clips
    assert ClipClassifier(members, feature_dim=7, stream_members=2).is_stream
    with pytest.raises(CheckpointError, match="b: frames is 2, not 4"):
        ClipClassifier(
            {"a": trained_clips(), "b": trained_clips(options={**OPTIONS, "frames": 2})},
            feature_dim=7,
            stream_members=0,
        )

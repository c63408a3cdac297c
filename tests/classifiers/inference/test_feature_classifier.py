from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from classifiers.data.batches import FeatureBatch
from classifiers.feature_models.registry import build_model
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.metrics.calibration import probabilities
from classifiers.weights.checkpoint import CheckpointError, load_weights
from tests.support.checkpoints import trained
from tests.support.clips import trained_clips

TASKS = ("single-label", "multi-label")
rng = np.random.default_rng(3)
BATCH = FeatureBatch(
    rgb=torch.from_numpy(rng.standard_normal((40, 16), dtype=np.float32)),
    audio=torch.from_numpy(rng.standard_normal((40, 128), dtype=np.float32)),
    num_frames=torch.full((40,), 7),
)


def logits_of(checkpoint):
    config = checkpoint.config
    model = build_model(config.model, num_classes=6, rgb_dim=16, audio_dim=128).eval()
    load_weights(model, checkpoint)
    return model(BATCH.rgb, BATCH.audio, BATCH.num_frames).detach().numpy()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("top_k", [1, 3, 6, 20])
def test_top_classes_use_the_checkpoints_temperature(task, top_k):
    checkpoint = trained(task=task, temperature=2.5)
    places, scores = TrainedClassifier({"c": checkpoint}).label(BATCH, top_k)
    logits = logits_of(checkpoint)
    shares = probabilities(logits, is_single_label=task == "single-label", temperature=2.5)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top_k]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_allclose(scores, np.take_along_axis(shares, order, 1), rtol=1e-6)
    assert scores.dtype == np.float32
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_saturated_probabilities_keep_the_order_of_their_logits(task):
    checkpoint = trained("logistic", task=task, bias=[300.0, 500.0, 400.0, -400.0, -300.0, -500.0])
    places, scores = TrainedClassifier({"c": checkpoint}).label(BATCH, 6)
    assert places.tolist() == [[1, 2, 0, 4, 3, 5]] * 40
    expected = [1, 0, 0, 0, 0, 0] if task == "single-label" else [1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(scores, [expected] * 40, atol=1e-40)


def test_equal_logits_are_in_order_of_the_class():
    checkpoint = trained("logistic", bias=[0.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    places, _ = TrainedClassifier({"c": checkpoint}).label(BATCH, 4)
    assert places.tolist() == [[1, 3, 0, 2]] * 40


@pytest.mark.parametrize("task", TASKS)
def test_several_checkpoints_are_averaged_each_at_its_own_temperature(task):
    members = {
        "a": trained("dense-5", seed=1, task=task, temperature=0.5),
        "b": trained("mixture-of-experts", seed=2, task=task, temperature=3.0),
    }
    is_single_label = task == "single-label"
    expected = sum(
        probabilities(logits_of(one), is_single_label=is_single_label, temperature=one.config.temperature)
        for one in members.values()
    ) / len(members)
    classifier = TrainedClassifier(members)
    places, scores = classifier.label(BATCH, 6)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, places, 1), rtol=2e-5)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1), rtol=2e-5)
    hashes = [one.config.weights_sha256[:12] for one in members.values()]
    assert classifier.name == f"dense-5@{hashes[0]}+mixture-of-experts@{hashes[1]}"


def test_checkpoints_with_other_classes_are_not_averaged():
    with pytest.raises(CheckpointError) as caught:
        TrainedClassifier({"a": trained(), "b": trained(indices=range(6), task="multi-label"), "c": trained(classes=5)})
    assert caught.value.problems[:2] == (
        "b: task multi-label, a has single-label",
        "b: class_indices [0, 1, 2, 3, 4, 5], a has [10, 11, 12, 13, 14, 15]",
    )
    assert any(problem.startswith("c: num_classes 5") for problem in caught.value.problems)


def test_models_that_cannot_be_built():
    checkpoint = trained()
    for change, message in (
        ({"model": "dense-55"}, "did you mean 'dense-5'"),
        ({"level": "frame"}, "'dense-5' is a video model"),
        ({"rgb_dim": 0}, "rgb_dim is 0"),
        ({"model": "dense-6"}, "shared.3.weight: missing|shared.*missing"),
    ):
        wrong = replace(checkpoint, config=replace(checkpoint.config, **change))
        with pytest.raises(CheckpointError, match=message):
            TrainedClassifier({"c": wrong})


def test_clip_checkpoints_are_refused():
    with pytest.raises(CheckpointError, match=r"(?s)d: .*'r3d-18' takes clips of videos, not features"):
        TrainedClassifier({"d": trained_clips()})

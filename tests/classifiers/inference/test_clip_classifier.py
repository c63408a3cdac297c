from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier, ViewMean, clip_model_of
from classifiers.weights.checkpoint import CheckpointError
from extractors.clips.sampling import ClipSampling
from tests.support.checkpoints import trained
from tests.support.clips import OPTIONS, trained_clips

CLIPS = torch.randint(0, 256, (5, 4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def outputs_of(built):
    with torch.inference_mode():
        return built(built.prepare(CLIPS)).numpy()


def test_features_before_the_head_and_logits_at_the_temperature():
    checkpoint = trained_clips(temperature=2.0)
    found = TrainedClipClassifier({"c": checkpoint})
    model = clip_model_of(checkpoint).eval()
    with torch.inference_mode():
        features = model.forward_features(model.prepare(CLIPS))
        expected = torch.cat([features, model(CLIPS) / 2], dim=1).numpy()
    outputs = outputs_of(pickle.loads(pickle.dumps(found)).build())
    assert outputs.shape == (5, found.dim) == (5, model.feature_dim + 4)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_several_checkpoints_and_views_are_averaged_as_probabilities(task):
    members = [
        trained_clips(seed=seed, task=task, temperature=temperature) for seed, temperature in ((1, 0.5), (2, 3.0))
    ]
    found = TrainedClipClassifier(dict(zip("ab", members, strict=True)))
    to_shares = torch.sigmoid if task == "multi-label" else lambda logits: torch.softmax(logits, dim=1)
    with torch.inference_mode():
        shares = [to_shares(clip_model_of(one).eval()(CLIPS).double() / one.config.temperature) for one in members]
    expected = torch.stack(shares).mean(dim=(0, 1)).numpy()
    places, scores = found.views.top_classes(outputs_of(found.build()), 3)
    assert places.tolist() == np.argsort(-expected)[:3].tolist()
    np.testing.assert_allclose(scores, np.sort(expected)[::-1][:3], rtol=1e-5)
    assert found.name == "+".join(f"r3d-18@{one.config.weights_sha256[:12]}" for one in members)


def test_the_embedding_is_the_mean_of_the_features():
    outputs = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert ViewMean(2, True).embedding(outputs).tolist() == [4.0, 5.0]


def test_bf16_gives_nearly_the_same_features():
    found = TrainedClipClassifier({"c": trained_clips()})
    expected, built = outputs_of(found.build()), found.build()
    built.reduce(torch.bfloat16)
    with torch.inference_mode():
        outputs = built(built.prepare(CLIPS).bfloat16()).numpy()
    assert outputs.dtype == np.float32
    features = slice(0, found.views.feature_dim)
    for one, other in zip(outputs[:, features], expected[:, features], strict=True):
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.999


def test_checkpoints_that_cannot_be_averaged_are_refused():
    smaller = trained_clips(options={**OPTIONS, "frames": 2})
    with pytest.raises(CheckpointError, match=r"with different clips cannot be averaged.*\n.*b: frames is 2, not 4"):
        TrainedClipClassifier({"a": trained_clips(), "b": smaller})
    with pytest.raises(CheckpointError, match=r"1 problem.*\n.*b: placement is equal, not central"):
        TrainedClipClassifier(
            {"a": trained_clips(), "b": trained_clips(sampling=ClipSampling(placement="equal", views=3))}
        )
    TrainedClipClassifier({"a": trained_clips(), "b": trained_clips(sampling=ClipSampling(views=3))})
    with pytest.raises(CheckpointError, match="num_classes 5, a has 4"):
        TrainedClipClassifier({"a": trained_clips(), "b": trained_clips(classes=5)})
    with pytest.raises(CheckpointError, match="takes features, not clips"):
        TrainedClipClassifier({"a": trained()})

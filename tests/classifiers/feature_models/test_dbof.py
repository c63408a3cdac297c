from __future__ import annotations

import pytest
import torch

from classifiers.feature_models.dbof import DeepBagOfFrames
from classifiers.feature_models.registry import build_model


def model_of(**options: object) -> DeepBagOfFrames:
    torch.manual_seed(0)
    settings = {"clusters": 9, "hidden": 6, "sampled_frames": 4, **options}
    model = build_model("dbof", num_classes=3, rgb_dim=4, audio_dim=2, options=settings)
    assert isinstance(model, DeepBagOfFrames)
    return model


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_equals_the_layers_by_hand(pooling: str) -> None:
    model = model_of(pooling=pooling).eval()
    frames = torch.randn(2, 4, 6)
    codes = (frames / (1 + 1e-3) ** 0.5) @ model.clusters.weight.T / (1 + 1e-3) ** 0.5
    codes = codes.clamp(0, 6)
    pooled = codes.amax(1) if pooling == "max" else codes.mean(1)
    expected = (pooled @ model.hidden.weight.T / (1 + 1e-3) ** 0.5).clamp(0, 6)
    found = model.forward_features(frames[:, :, :4], frames[:, :, 4:], torch.tensor([4, 4]))
    torch.testing.assert_close(found, expected)


def test_frames_are_evenly_spaced_in_evaluation_and_random_in_training() -> None:
    model = model_of(sampled_frames=5)
    lengths = torch.tensor([10, 5, 3, 1])
    assert model.eval()._sampled(lengths).tolist() == [[1, 3, 5, 7, 9], [0, 1, 2, 3, 4], [0, 0, 1, 2, 2], [0] * 5]
    draws = model_of(sampled_frames=4000).train()._sampled(lengths)
    for row, length in enumerate(lengths.tolist()):
        counts = draws[row].bincount(minlength=length)
        assert len(counts) == length
        assert (counts / 4000 - 1 / length).abs().max() < 0.03

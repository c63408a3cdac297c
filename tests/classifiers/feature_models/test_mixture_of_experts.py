"""The mixture is on the features themselves, and its probability is the one of the source."""

from __future__ import annotations

import pytest
import torch

from classifiers.feature_models.mixture_of_experts import MixtureConfig, MixtureOfExperts
from classifiers.layers.heads import MixtureHead

RGB, AUDIO, CLASSES, VIDEOS = 6, 3, 4, 5


@pytest.mark.parametrize("num_mixtures", [1, 2, 5])
def test_probabilities_are_those_of_the_gated_experts(num_mixtures: int) -> None:
    torch.manual_seed(0)
    config = MixtureConfig(num_mixtures)
    model = MixtureOfExperts(config=config, num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO).double()
    rgb, audio = torch.randn(VIDEOS, RGB).double(), torch.randn(VIDEOS, AUDIO).double()
    features = torch.cat([rgb, audio], dim=1)
    assert torch.equal(model.forward_features(rgb, audio, torch.ones(VIDEOS)), features)
    head = model.head
    assert isinstance(head, MixtureHead)
    # youtube-8m: softmax over M + 1 gates, of which the last has no expert, times the sigmoids of M experts.
    gates = (features @ head.gates.weight.T).view(VIDEOS, CLASSES, num_mixtures + 1).softmax(dim=2)
    experts = (features @ head.experts.weight.T + head.experts.bias).view(VIDEOS, CLASSES, num_mixtures).sigmoid()
    expected = (gates[:, :, :num_mixtures] * experts).sum(dim=2)
    torch.testing.assert_close(model(rgb, audio, torch.ones(VIDEOS)).sigmoid(), expected)


def test_the_number_of_frames_does_not_matter() -> None:
    model = MixtureOfExperts(config=MixtureConfig(), num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO)
    batch = torch.randn(VIDEOS, RGB), torch.randn(VIDEOS, AUDIO)
    assert torch.equal(model(*batch, torch.zeros(VIDEOS)), model(*batch, torch.full((VIDEOS,), 300)))


def test_a_mixture_needs_an_expert() -> None:
    with pytest.raises(ValueError, match="num_mixtures must be at least 1, got 0"):
        MixtureConfig(0)

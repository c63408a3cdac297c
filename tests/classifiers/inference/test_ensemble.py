from __future__ import annotations

import pytest
import torch

from classifiers.feature_models.base import FeatureModel
from classifiers.feature_models.registry import build_model
from classifiers.inference.ensemble import Ensemble
from classifiers.layers.frames import mean_over_frames

RGB, AUDIO, LENGTHS = torch.randn(3, 6, 4), torch.randn(3, 6, 2), torch.tensor([6, 2, 4])
MEANS = (mean_over_frames(RGB, LENGTHS), mean_over_frames(AUDIO, LENGTHS), LENGTHS)


def member(name: str, seed: int, classes: int = 3, **options: object) -> FeatureModel:
    torch.manual_seed(seed)
    return build_model(name, num_classes=classes, rgb_dim=4, audio_dim=2, options=options).eval()


@pytest.mark.parametrize("multi_label", [False, True])
def test_probabilities_are_the_mean_of_the_members(multi_label: bool) -> None:
    members = [member("logistic", 1), member("dense-5", 2), member("mixture-of-experts", 3)]
    ensemble = Ensemble(members=members, multi_label=multi_label)
    to_probabilities = torch.sigmoid if multi_label else lambda logits: torch.softmax(logits, 1)
    expected = torch.stack([to_probabilities(one(*MEANS)) for one in members]).mean(0)
    assert ensemble.level == "video"
    torch.testing.assert_close(to_probabilities(ensemble(*MEANS)), expected)
    assert ensemble.forward_features(*MEANS).shape == (3, sum(one.feature_dim for one in members))


def test_video_level_members_get_the_means_of_the_frames() -> None:
    frame, video = member("lstm", 1, cells=5), member("dense-1", 2)
    ensemble = Ensemble(members=[frame, video], multi_label=False)
    assert ensemble.level == "frame"
    expected = (frame(RGB, AUDIO, LENGTHS).softmax(1) + video(*MEANS).softmax(1)) / 2
    torch.testing.assert_close(ensemble(RGB, AUDIO, LENGTHS).softmax(1), expected)
    ensemble.reset_head(7)
    assert ensemble(RGB, AUDIO, LENGTHS).shape == (3, 7)


@pytest.mark.parametrize("multi_label", [False, True])
def test_extreme_logits_of_members_stay_finite(multi_label: bool) -> None:
    one, other = member("logistic", 1), member("logistic", 2)
    with torch.no_grad():
        for model, sign in ((one, 1), (other, 1)):
            model.get_parameter("head.bias").copy_(torch.tensor([500.0, -500.0, 0.0]) * sign)
    logits = Ensemble(members=[one, other], multi_label=multi_label)(*MEANS)
    assert logits.isfinite().all()
    assert logits.argmax(1).tolist() == [0, 0, 0]


def test_members_must_agree() -> None:
    with pytest.raises(ValueError, match=r"must agree on .*found \(3, 4, 2\), \(5, 4, 2\)"):
        Ensemble(members=[member("logistic", 1), member("logistic", 1, classes=5)], multi_label=False)
    with pytest.raises(ValueError, match="no members"):
        Ensemble(members=[], multi_label=False)
    ensemble = Ensemble(members=[member("logistic", 1)], multi_label=False)
    with pytest.raises(ValueError, match="takes video-level features"):
        ensemble(RGB, AUDIO, LENGTHS)


@pytest.mark.parametrize("multi_label", [False, True])
def test_each_member_has_its_own_temperature(multi_label: bool) -> None:
    members = [member("logistic", 1), member("dense-5", 2)]
    ensemble = Ensemble(members=members, multi_label=multi_label, temperatures=(0.5, 4.0))
    to_probabilities = torch.sigmoid if multi_label else lambda logits: torch.softmax(logits, 1)
    expected = (to_probabilities(members[0](*MEANS) / 0.5) + to_probabilities(members[1](*MEANS) / 4.0)) / 2
    torch.testing.assert_close(to_probabilities(ensemble(*MEANS)), expected)

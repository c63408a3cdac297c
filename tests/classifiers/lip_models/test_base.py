"""What every lip reader refuses, and its head; what all of them do is tested in `test_registry`."""

from __future__ import annotations

import pytest
import torch

from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model


@pytest.fixture
def model() -> LipModel:
    torch.manual_seed(0)
    options = {"height": 16, "width": 16, "width_factor": 1 / 32}
    return build_lip_model("lipnet-keras", num_classes=5, options=options).eval()


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (2, 3, 16, 17, 1), (2, 3, 16, 16, 3)])
def test_clips_of_another_shape_are_refused(model: LipModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"LipNetKeras takes clips of shape \(N, T, 16, 16, 1\), floating point, got"):
        model(torch.zeros(shape))


def test_bytes_are_refused(model: LipModel) -> None:
    with pytest.raises(ValueError, match=r"got \(2, 3, 16, 16, 1\), uint8"):
        model(torch.zeros(2, 3, 16, 16, 1, dtype=torch.uint8))


@pytest.mark.parametrize("lengths", [[3], [0, 3], [4, 3]])
def test_lengths_that_clips_do_not_have_are_refused(model: LipModel, lengths: list[int]) -> None:
    with pytest.raises(ValueError, match=r"2 clips of up to 3 frames have the lengths \["):
        model(torch.zeros(2, 3, 16, 16, 1), torch.tensor(lengths))


def test_a_clip_has_a_frame(model: LipModel) -> None:
    with pytest.raises(ValueError, match=r"1 clips of up to 0 frames have the lengths \[0\]"):
        model(torch.zeros(1, 0, 16, 16, 1))


def test_dropout_of_features_is_random_in_training_alone(model: LipModel) -> None:
    clips = torch.randn(1, 3, 16, 16, 1)
    assert torch.equal(model(clips), model(clips))
    model.train()
    assert not torch.equal(model(clips), model(clips))


def test_a_new_head_leaves_all_other_parameters(model: LipModel) -> None:
    clips = torch.randn(1, 3, 16, 16, 1)
    features = model.forward_features(clips)
    model.reset_head(9)
    assert torch.equal(model.forward_features(clips), features)
    assert model(clips).shape == (1, 3, 9)
    assert model.num_classes == 9
    with pytest.raises(ValueError, match="num_classes is 1; it must be at least 2, a character and the blank"):
        model.reset_head(1)

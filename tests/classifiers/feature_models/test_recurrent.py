from __future__ import annotations

import pytest
import torch

from classifiers.feature_models.recurrent import RecurrentClassifier
from classifiers.feature_models.registry import build_model

NAMES = ("lstm", "bidirectional-lstm", "gru", "bidirectional-gru")


def model_of(name: str) -> RecurrentClassifier:
    torch.manual_seed(0)
    model = build_model(name, num_classes=3, rgb_dim=4, audio_dim=2, options={"cells": 5})
    assert isinstance(model, RecurrentClassifier)
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_states_at_the_ends_of_each_video(name: str) -> None:
    model = model_of(name)
    frames, lengths = torch.randn(3, 8, 6), torch.tensor([8, 3, 5])
    features = model.forward_features(frames[:, :, :4], frames[:, :, 4:], lengths)
    for row, length in enumerate(lengths.tolist()):
        outputs = model.layers(frames[row : row + 1, :length])[0][0]  # (length, directions x cells)
        ends = [outputs[-1, :5], outputs[0, 5:]] if model.bidirectional else [outputs[-1]]
        torch.testing.assert_close(features[row], torch.cat(ends))


@pytest.mark.parametrize("name", NAMES)
def test_features_depend_on_the_order_of_frames(name: str) -> None:
    model, frames = model_of(name), torch.randn(1, 6, 6)
    logits = [model(f[:, :, :4], f[:, :, 4:], torch.tensor([6])) for f in (frames, frames.flip(1))]
    assert (logits[0] - logits[1]).abs().max() > 1e-4


def test_forget_gates_start_open() -> None:
    for name in NAMES[:2]:
        for key, bias in model_of(name).layers.named_parameters():
            if key.startswith("bias"):
                opened = 1.0 if "_ih_" in key else 0.0
                assert bias.tolist() == [0.0] * 5 + [opened] * 5 + [0.0] * 10


def test_dropout_is_between_layers_only() -> None:
    one = {"cells": 5, "layers": 1, "dropout": 0.5}
    assert build_model("gru", num_classes=3, options=one).get_submodule("layers").dropout == 0
    two = {"cells": 5, "dropout": 0.5}
    assert build_model("gru", num_classes=3, options=two).get_submodule("layers").dropout == 0.5

from __future__ import annotations

import torch

from classifiers.feature_models.attention_pooling import AttentionPooling
from classifiers.feature_models.registry import build_model


def model_of() -> AttentionPooling:
    torch.manual_seed(0)
    options = {"hidden": 7, "attention": 5}
    model = build_model("attention-pooling", num_classes=3, rgb_dim=4, audio_dim=2, options=options)
    assert isinstance(model, AttentionPooling)
    return model.double().eval()


def test_features_are_the_weighted_mean_of_the_frames_without_padding() -> None:
    model = model_of()
    frames, lengths = torch.randn(2, 6, 6).double(), torch.tensor([6, 2])
    found = model.forward_features(frames[:, :, :4], frames[:, :, 4:], lengths)
    for row, length in enumerate(lengths.tolist()):
        hidden = model.hidden(frames[row, :length]).clamp(min=0)
        units = model.content(hidden).tanh() * model.gate(hidden).sigmoid()
        weights = (units @ model.score.weight[0]).softmax(0)
        torch.testing.assert_close(found[row], weights @ hidden)


def test_features_do_not_depend_on_the_order_of_frames() -> None:
    model, frames = model_of(), torch.randn(1, 6, 6).double()
    logits = [model(f[:, :, :4], f[:, :, 4:], torch.tensor([6])) for f in (frames, frames.flip(1))]
    torch.testing.assert_close(*logits)

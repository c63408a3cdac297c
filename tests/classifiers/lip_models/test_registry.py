"""Every registered lip reader, small: what all of them must do. Their parameters are counted at full size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from classifiers.ctc_loss import CtcLoss
from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model, lip_model_entry, lip_model_names

pytestmark = pytest.mark.parametrize("name", lip_model_names())

SMALL = {"width_factor": 0.125, "height": 24, "width": 40}
CLASSES = 5
LENGTHS = torch.tensor([9, 4, 1])


def small(name: str, seed: int = 0) -> LipModel:
    """A fresh model in evaluation, whose biases are not 0."""
    torch.manual_seed(seed)
    model = build_lip_model(name, num_classes=CLASSES, options=SMALL).eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "bias" in key:
                weight.uniform_(0.1, 0.5)
    return model


def clips_for(model: LipModel) -> Tensor:
    """Noise of the model's form, in the padding too."""
    form = model.lip_input
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(LENGTHS), int(LENGTHS.max()), form.height, form.width, form.channels, generator=generator)


def test_parameters_are_the_registered_ones(name: str) -> None:
    entry = lip_model_entry(name)
    with torch.device("meta"):
        model = build_lip_model(name, num_classes=entry.classes)
    assert sum(weight.numel() for weight in model.parameters()) == entry.parameters


def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = small(name).train()
    labels = torch.tensor([[0, 1, 1, 2], [3, 0, 0, 0], [2, 0, 0, 0]])
    logits = model(clips_for(model), LENGTHS)
    assert logits.shape == (3, 9, CLASSES)
    CtcLoss(blank=-1)(logits, LENGTHS, labels, torch.tensor([4, 2, 1])).backward()
    gradients = {key: weight.grad for key, weight in model.named_parameters()}
    assert [key for key, gradient in gradients.items() if gradient is None or not gradient.any()] == []
    assert [key for key, gradient in gradients.items() if gradient is not None and not gradient.isfinite().all()] == []


def test_padding_does_not_change_a_clips_logits(name: str) -> None:
    model = small(name)
    clips = clips_for(model)
    with torch.inference_mode():
        logits = model(clips, LENGTHS)
        assert logits.isfinite().all()
        for clip, row, length in zip(clips, logits, LENGTHS.tolist(), strict=True):
            torch.testing.assert_close(row[:length], model(clip[None, :length])[0], atol=1e-5, rtol=0)
            assert torch.equal(row[length:], model.head.bias.expand(len(row) - length, -1))
        # Taken for frames, padding changes them a thousand times as much.
        assert (model(clips)[1, :4] - logits[1, :4]).abs().max() > 1e-2


def test_padding_may_hold_anything(name: str) -> None:
    model = small(name)
    clips = clips_for(model)
    with torch.inference_mode():
        expected = model(clips, LENGTHS)
        clips[1, 4:] = float("nan")
        assert torch.equal(model(clips, LENGTHS), expected)


def test_a_loaded_model_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    model, loaded = small(name), small(name, seed=7)
    clips = clips_for(model)
    with torch.inference_mode():
        expected = model(clips, LENGTHS)
        assert not torch.equal(loaded(clips, LENGTHS), expected)
        save_model(model, str(tmp_path / "model.safetensors"))
        load_model(loaded, tmp_path / "model.safetensors")
        assert torch.equal(loaded(clips, LENGTHS), expected)

"""Every registered clip model, small: what all of them must do. Their numbers are checked at full size, as shapes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model, clip_model_entry, clip_model_names

pytestmark = pytest.mark.parametrize("name", clip_model_names())

SMALL = {"width_factor": 0.125, "frames": 16, "height": 32, "width": 32, "dropout": 0.0}
# Networks that take larger pictures.
OTHERS: dict[str, dict[str, object]] = {
    "inception-v3": {"frames": 2, "height": 75, "width": 75, "dense": (16, 8)},
}
CLASSES = 3


def small_options(name: str) -> dict[str, object]:
    """The options of a small model."""
    return SMALL | OTHERS.get(name, {})


def small(name: str) -> ClipModel:
    """A fresh model in training, none of whose branches is shut."""
    torch.manual_seed(0)
    model = build_clip_model(name, num_classes=CLASSES, options=small_options(name)).train()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 0:  # a block's share, which starts at nothing
                weight.fill_(0.1)
    return model


def clips_for(model: ClipModel, count: int = 4) -> Tensor:
    """Noise of the model's format."""
    look = model.clip_format
    generator = torch.Generator().manual_seed(1)
    shape = (count, look.frames, look.height, look.width, look.channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def gradients(model: ClipModel, clips: Tensor) -> dict[str, Tensor]:
    """Of every parameter."""
    model.zero_grad()
    nn.functional.cross_entropy(model(clips), torch.arange(len(clips)) % CLASSES).backward()
    return {key: weight.grad for key, weight in model.named_parameters() if weight.grad is not None}


def test_parameters_and_operations_are_the_registered_ones(name: str) -> None:
    entry = clip_model_entry(name)
    with torch.device("meta"):
        model = build_clip_model(name, num_classes=entry.classes).eval()
        look = model.clip_format
        clip = torch.empty(1, look.frames, look.height, look.width, look.channels, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            logits = model(clip)
    assert logits.shape == (1, entry.classes)
    assert sum(weight.numel() for weight in model.parameters()) == entry.parameters
    assert counter.get_total_flops() / 1e9 == pytest.approx(entry.gflops, rel=0.005)


def test_every_parameter_gets_a_gradient_with_and_without_recomputation(name: str) -> None:
    model = small(name)
    clips = clips_for(model)
    remembered = gradients(model, clips)
    assert set(remembered) == {key for key, _ in model.named_parameters()}
    assert [key for key, gradient in remembered.items() if not gradient.isfinite().all()] == []
    # In training, batch norm removes any shift before it, and what is left of its gradient is rounding.
    assert [key for key, gradient in gradients(small(name).eval(), clips).items() if not gradient.any()] == []
    statistics = {key: value.clone() for key, value in model.named_buffers()}

    again = small(name)
    again.recompute = True
    for key, gradient in gradients(again, clips).items():
        torch.testing.assert_close(gradient, remembered[key])
    for key, value in again.named_buffers():
        torch.testing.assert_close(value, statistics[key])


def test_a_loaded_model_gives_the_same_logits_in_any_batch(name: str) -> None:
    model = small(name)
    clips = clips_for(model)
    with torch.inference_mode():
        model(clips)  # statistics that are not a fresh model's
        expected = model.eval()(clips)
        assert expected.shape == (4, CLASSES)
        assert expected.isfinite().all()
        torch.manual_seed(7)
        loaded = build_clip_model(name, num_classes=CLASSES, options=small_options(name)).eval()
        assert not torch.equal(loaded(clips), expected)
        loaded.load_state_dict(model.state_dict())
        assert torch.equal(loaded(clips), expected)
        alone = torch.cat([loaded(clip) for clip in clips.split(1)])
        assert (alone - expected).abs().max() < 1e-4 * expected.std()


def test_a_new_head_leaves_all_other_parameters(name: str) -> None:
    model = small(name).eval()
    clips = clips_for(model, 1)
    features = model.forward_features(model.prepare(clips))
    model.reset_head(7)
    assert torch.equal(model.forward_features(model.prepare(clips)), features)
    assert torch.equal(model(clips), model.forward_head(features))
    assert model(clips).shape == (1, 7)


def test_only_stages_that_are_not_frozen_change(name: str) -> None:
    model = small(name)
    trained = 2
    model.freeze(trained)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=100.0)
    gradients(model, clips_for(model))
    optimizer.step()
    learning = list(model.stages())[-trained:]
    learns = {key: key.split(".")[key.startswith("trunk.")] in learning for key in before}
    changed = {key: not torch.equal(before[key], value) for key, value in model.state_dict().items()}
    assert changed == learns

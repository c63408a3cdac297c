"""The sweep over every registered model, and how models are named and configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from classifiers.feature_models.base import FeatureModel, register_model
from classifiers.feature_models.registry import build_model, model_config, model_entry, model_names

RGB, AUDIO, CLASSES = 16, 8, 5
LENGTHS = (9, 1, 4, 7, 9)
VLAD = {"clusters": 6, "hidden": 16}
SMALL: dict[str, Mapping[str, object]] = {
    **{key: {"cells": 12} for key in ("lstm", "bidirectional-lstm", "gru", "bidirectional-gru")},
    "dbof": {"clusters": 40, "hidden": 16, "sampled_frames": 5},
    "netvlad": VLAD,
    "nextvlad": {**VLAD, "groups": 4, "gating_reduction": 2},
    "attention-pooling": {"hidden": 16, "attention": 6},
}
FRAME_LEVEL = [name for name in model_names() if model_entry(name).model.level == "frame"]
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small lose more to threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(name: str, **options: object) -> FeatureModel:
    torch.manual_seed(1)
    settings = {**SMALL.get(name, {}), **options}
    return build_model(name, num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO, options=settings)


def inputs(name: str, length: int = 9) -> Inputs:
    """Five videos, of `LENGTHS` where the model takes frames, padded with zeros to `length`."""
    generator = torch.Generator().manual_seed(2)
    num_frames = torch.tensor(LENGTHS)
    if name not in FRAME_LEVEL:
        return torch.randn(5, RGB, generator=generator), torch.randn(5, AUDIO, generator=generator), num_frames
    valid = torch.arange(9)[None] < num_frames[:, None]
    frames = torch.randn(5, 9, RGB + AUDIO, generator=generator) * valid[:, :, None]
    frames = F.pad(frames, (0, 0, 0, length - 9))
    return frames[:, :, :RGB], frames[:, :, RGB:], num_frames


def test_every_registered_model_is_tested() -> None:
    dense = {f"dense-{number}" for number in range(1, 8)} | {"logistic", "mixture-of-experts"}
    assert set(model_names()) == dense | set(SMALL)
    assert set(FRAME_LEVEL) == set(SMALL)


@pytest.mark.parametrize("name", model_names())
def test_parameter_count_is_the_registered_one(name: str) -> None:
    with torch.device("meta"):  # shapes without memory
        model = build_model(name, num_classes=10)
    count = sum(weight.numel() for weight in model.parameters())
    assert count == model_entry(name).parameters
    module = __import__(model_entry(name).model.__module__, fromlist=["__doc__"])
    assert f"{count:,}" in module.__doc__


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("targets", ["one class each", "any number of classes"])
def test_every_parameter_gets_a_gradient(name: str, targets: str) -> None:
    model = small(name).train()
    logits = model(*inputs(name))
    assert logits.shape == (5, CLASSES)
    assert logits.isfinite().all()
    if targets == "one class each":
        loss = F.cross_entropy(logits, torch.tensor([0, 1, 2, 3, 4]))
    else:
        loss = F.binary_cross_entropy_with_logits(logits, torch.eye(5).roll(1, 0) + torch.eye(5))
    loss.backward()
    for key, weight in model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        assert weight.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", model_names())
def test_a_few_steps_fit_a_batch(name: str) -> None:
    model, batch, targets = small(name).train(), inputs(name), torch.tensor([0, 1, 2, 3, 4])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(*batch), targets).backward()
        optimizer.step()
    assert model.eval()(*batch).argmax(1).tolist() == targets.tolist()


@pytest.mark.parametrize("name", model_names())
def test_a_loaded_model_gives_the_same_logits(name: str) -> None:
    model = small(name).train()
    model(*inputs(name))  # running statistics move
    torch.manual_seed(3)
    copy = build_model(name, num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO, options=SMALL.get(name))
    assert not torch.equal(copy.eval()(*inputs(name)), model.eval()(*inputs(name)))
    copy.load_state_dict(model.state_dict())
    assert torch.equal(copy(*inputs(name)), model(*inputs(name)))


@pytest.mark.parametrize("name", model_names())
def test_logits_equal_the_head_of_the_features(name: str) -> None:
    model = small(name).eval()
    features = model.forward_features(*inputs(name))
    assert features.shape == (5, model.feature_dim)
    assert torch.equal(model.forward_head(features), model(*inputs(name)))
    model.double().reset_head(3)
    doubled = [tensor.double() for tensor in inputs(name)[:2]]
    logits = model(*doubled, inputs(name)[2])
    assert logits.shape == (5, 3)
    assert logits.dtype == torch.float64
    assert model.num_classes == 3
    torch.testing.assert_close(model.forward_features(*doubled, inputs(name)[2]).float(), features)


@pytest.mark.parametrize("name", model_names())
def test_logits_do_not_depend_on_the_batch(name: str) -> None:
    model = small(name).train()
    for _ in range(3):
        model(*inputs(name))
    rgb, audio, num_frames = inputs(name)
    together = model.eval()(rgb, audio, num_frames)
    for row in range(5):
        cut = (slice(row, row + 1), slice(num_frames[row])) if name in FRAME_LEVEL else slice(row, row + 1)
        alone = model(rgb[cut], audio[cut], num_frames[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", FRAME_LEVEL)
def test_logits_do_not_depend_on_padding(name: str, training: bool) -> None:
    def outcome(length: int, garbage: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
        model = small(name).train(training)
        rgb, audio, num_frames = inputs(name, length)
        beyond = torch.arange(length)[None] >= num_frames[:, None]
        rgb, audio = (part.masked_fill(beyond[:, :, None], garbage) for part in (rgb, audio))
        torch.manual_seed(4)
        logits = model(rgb, audio, num_frames)
        logits.logsumexp(1).sum().backward()
        return logits, [weight.grad for weight in model.parameters() if weight.grad is not None]

    short, short_gradients = outcome(9, 0.0)
    for length, garbage in ((14, 0.0), (14, 50.0)):
        long, long_gradients = outcome(length, garbage)
        torch.testing.assert_close(long, short, rtol=1e-4, atol=1e-5)
        for one, other in zip(long_gradients, short_gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", model_names())
def test_one_video_and_videos_without_frames_are_accepted(name: str, training: bool) -> None:
    model = small(name).train(training)
    rgb, audio, _ = (tensor[:1] for tensor in inputs(name))
    assert model(rgb, audio, torch.tensor([1])).isfinite().all()
    assert model(torch.zeros_like(rgb), torch.zeros_like(audio), torch.tensor([0])).isfinite().all()


@pytest.mark.parametrize("name", model_names())
def test_features_of_another_level_are_refused(name: str) -> None:
    model = small(name)
    rgb, audio, num_frames = inputs(name)
    other_level = (rgb[:, 0], audio[:, 0]) if name in FRAME_LEVEL else (rgb[:, None], audio[:, None])
    for wrong in (other_level, (audio, rgb), (rgb[..., 1:], audio), (rgb, audio[1:])):
        with pytest.raises(ValueError, match=f"takes {model.level}-level features of shapes .* got "):
            model(*wrong, num_frames)


def test_wider_features_and_equal_seeds() -> None:
    model = partial(build_model, "dense-5", num_classes=3, rgb_dim=2048)
    torch.manual_seed(0)
    first = model()
    assert first.state_dict()["rgb.0.weight"].shape == (220, 2048)
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), model().parameters(), strict=True))


def test_unknown_name_and_bad_sizes() -> None:
    with pytest.raises(
        ValueError, match=r"model 'netvald' is unknown; did you mean 'netvlad'\? known models: attention-"
    ):
        build_model("netvald", num_classes=3)
    with pytest.raises(ValueError, match="num_classes is 0, audio_dim is -1: each must be at least 1"):
        build_model("logistic", num_classes=0, audio_dim=-1)
    with pytest.raises(ValueError, match="num_classes is 0; it must be at least 1"):
        build_model("logistic", num_classes=2).reset_head(0)


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'lstm' is already registered, as ForwardLstm"):
        register_model("lstm", None, parameters=1)(FeatureModel)
    assert model_entry("lstm").model is not FeatureModel


def test_all_invalid_options_are_reported_together() -> None:
    assert model_config("lstm", {"cells": 7}).cells == 7
    assert model_config("dense-1", {"shared_hidden": [4, 3], "activation": "relu"}).shared_hidden == (4, 3)
    with pytest.raises(ValueError, match="cels") as caught:
        model_config("lstm", {"cels": 7, "layers": 2.5, "dropout": "much"})
    for part in ("options of model 'lstm'", "did you mean 'cells'?", "layers: expected a whole number", "dropout"):
        assert part in str(caught.value)
    with pytest.raises(ValueError, match=r"cells must be at least 1, got 0; .*dropout must be .* below 1, got 1.0"):
        model_config("lstm", {"cells": 0, "dropout": 1.0})
    with pytest.raises(ValueError, match="activation must be one of relu, tanh, got 'gelu'"):
        model_config("dense-1", {"activation": "gelu"})
    with pytest.raises(ValueError, match="shared_hidden must be at least 1, got 0"):
        model_config("dense-5", {"shared_hidden": [60, 0]})
    with pytest.raises(ValueError, match="must be a text, number, boolean or list"):
        model_config("dense-5", {"shared_hidden": {60}})
    with pytest.raises(ValueError, match="finite"):
        model_config("dense-5", {"input_dropout": float("nan")})


@pytest.mark.parametrize("name", model_names())
def test_a_model_of_registered_size_is_trained_in_bf16(name: str) -> None:
    torch.manual_seed(3)
    model = build_model(name, num_classes=CLASSES, rgb_dim=1024, audio_dim=128).eval()
    num_frames = torch.tensor(LENGTHS)
    shape = (len(LENGTHS), 9) if name in FRAME_LEVEL else (len(LENGTHS),)
    rgb, audio = torch.randn(*shape, 1024), torch.randn(*shape, 128)
    expected = model(rgb, audio, num_frames)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(rgb, audio, num_frames)
        assert logits.dtype == torch.float32
        F.cross_entropy(logits, torch.arange(len(LENGTHS)) % CLASSES).backward()
    assert F.cosine_similarity(logits.float().flatten(), expected.flatten(), dim=0) > 0.99
    for key, weight in model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key

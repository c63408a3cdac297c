"""The base class of clip models: normalisation, stages, freezing, recomputation and the head."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import HEAD, ClipModel
from classifiers.clip_models.config import ClipConfig
from schemas.clips import KINETICS, ClipFormat


class TinyConfig(ClipConfig):
    """Clips of 2 x 4 x 4."""

    @override
    def clip_format(self) -> ClipFormat:
        return self.make_format(resize=(4, 4), fps=None, pixels=KINETICS)


class Tiny(ClipModel):
    """Two convolutions with batch norm and the mean."""

    def __init__(self, *, num_classes: int = 3, dropout: float = 0.0) -> None:
        config = TinyConfig(frames=2, height=4, width=4, dropout=dropout)
        stages: dict[str, nn.Module] = {
            "first": nn.Sequential(OrderedDict(conv=nn.Conv3d(3, 4, 1), norm=nn.BatchNorm3d(4))),
            "second": nn.Sequential(OrderedDict(conv=nn.Conv3d(4, 6, 1), norm=nn.BatchNorm3d(6))),
            "last": nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, 5)),
        }
        super().__init__(config=config, stages=stages, feature_dim=5, num_classes=num_classes)


CLIPS = torch.randint(0, 256, (6, 2, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def tiny(**options: float) -> Tiny:
    torch.manual_seed(0)
    return Tiny(**options)  # type: ignore[arg-type]


def test_clips_are_normalised_by_the_format() -> None:
    prepared = tiny().prepare(CLIPS)
    assert (prepared.shape, prepared.dtype) == ((6, 3, 2, 4, 4), torch.float32)
    expected = (CLIPS[2, 1, 0, 3].double() / 255 - torch.tensor(KINETICS["mean"])) / torch.tensor(KINETICS["std"])
    torch.testing.assert_close(prepared[2, :, 1, 0, 3].double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "wrong", [CLIPS[0], CLIPS[..., :2], CLIPS.float(), torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8)]
)
def test_other_clips_are_refused(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Tiny takes clips of shape \(N, T, H, W, 3\), uint8, got"):
        tiny().prepare(wrong)


def test_stages_can_be_run_one_after_the_other() -> None:
    model = tiny().eval()
    assert list(model.stages()) == ["first", "second", "last", HEAD]
    values = model.prepare(CLIPS)
    for stop in range(4):
        halfway = model.forward_stages(values, 0, stop)
        torch.testing.assert_close(model.forward_stages(halfway, stop), model.forward_features(values))
        torch.testing.assert_close(model(halfway, stop), model(CLIPS))


def test_the_head_has_dropout_in_training_alone() -> None:
    model = tiny(dropout=0.5)
    features = torch.ones(64, 5)
    assert torch.equal(model.eval().forward_head(features), model.head(features))
    assert not torch.equal(model.train().forward_head(features), model.head(features))


@pytest.mark.parametrize(("trained", "frozen"), [(None, 0), (4, 0), (2, 2), (1, 3)])
def test_frozen_stages_stay_in_evaluation_mode_and_take_no_gradient(trained: int | None, frozen: int) -> None:
    model = tiny()
    model.freeze(trained)
    model.train()
    assert model.frozen_stages == frozen
    for number, stage in enumerate(model.stages().values()):
        assert stage.training == (number >= frozen)
        assert all(weight.requires_grad == (number >= frozen) for weight in stage.parameters())
    model.freeze(None)
    assert all(stage.training for stage in model.train().stages().values())


@pytest.mark.parametrize("trained", [0, 5])
def test_at_least_the_head_and_at_most_all_stages_are_trained(trained: int) -> None:
    with pytest.raises(
        ValueError, match=rf"{trained} stages cannot be trained: Tiny has 4 \(first, second, last, head\)"
    ):
        tiny().freeze(trained)


def test_recomputation_gives_the_same_gradients_and_counts_statistics_once() -> None:
    stored, recomputed = tiny().train(), tiny().train()
    recomputed.recompute = True
    for model in (stored, recomputed):
        model(CLIPS).square().sum().backward()
    for one, other in zip(stored.parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    for key, value in stored.named_buffers():
        torch.testing.assert_close(dict(recomputed.named_buffers())[key], value)
    norms = [module for module in recomputed.modules() if isinstance(module, nn.BatchNorm3d)]
    assert [(norm.momentum, int(norm.num_batches_tracked)) for norm in norms] == [(0.1, 1), (0.1, 1)]


def test_a_new_head_replaces_the_old_one_alone() -> None:
    model = tiny().double()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.reset_head(7)
    assert model.num_classes == 7
    assert model.head.weight.shape == (7, 5)
    assert model.head.weight.dtype == torch.float64
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items() if key.startswith("trunk"))
    with pytest.raises(ValueError, match="num_classes is -1; it must be at least 1"):
        model.reset_head(-1)

"""Optimizers by name do what torch's and Keras's do, and leave frozen parameters alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from classifiers.training.keras_rmsprop import KerasRMSprop
from classifiers.training.optimizers import OPTIMIZERS, OptimizerConfig, build_optimizer
from tests.support.dataset import ROOT

RATE = 0.05
# Name, options, and the optimizer that it must equal.
CASES = {
    "rmsprop": ({"momentum": 0.5}, lambda weights: KerasRMSprop(weights, lr=RATE, momentum=0.5)),
    "adam": ({}, lambda weights: torch.optim.Adam(weights, lr=RATE)),
    "adamw": ({"weight_decay": 0.1}, lambda weights: torch.optim.AdamW(weights, lr=RATE, weight_decay=0.1)),
    "sgd": (
        {"momentum": 0.9, "weight_decay": 0.1},
        lambda weights: torch.optim.SGD(weights, lr=RATE, momentum=0.9, weight_decay=0.1),
    ),
}


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(5, 3)


def trained(model: nn.Linear, optimizer: torch.optim.Optimizer, steps: int = 4) -> nn.Linear:
    inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimizer.zero_grad()
        model(inputs).square().sum().backward()
        optimizer.step()
    return model


def test_every_optimizer_is_tested() -> None:
    assert set(CASES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", CASES)
def test_steps_equal_those_of_the_named_optimizer(name: str) -> None:
    options, reference = CASES[name]
    ours, theirs = network(), network()
    config = OptimizerConfig(name=name, learning_rate=RATE, **options)
    trained(ours, build_optimizer(config, ours.parameters()))
    trained(theirs, reference(theirs.parameters()))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)
        assert not torch.equal(one, dict(network().named_parameters())["weight" if one.ndim == 2 else "bias"])


def test_frozen_parameters_are_left_out() -> None:
    model = network()
    model.weight.requires_grad_(False)
    optimizer = build_optimizer(OptimizerConfig(name="adamw", weight_decay=0.5), model.parameters())
    assert [parameter for group in optimizer.param_groups for parameter in group["params"]] == [model.bias]
    trained(model, optimizer)
    assert torch.equal(model.weight, network().weight)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": "lion"}, "optimizer is 'lion', allowed: rmsprop, adam, adamw, sgd"),
        ({"learning_rate": 0.0}, "learning rate is 0.0, it must be above 0"),
        ({"momentum": 1.0}, "momentum is 1.0, it must be at least 0 and below 1"),
        ({"name": "sgd", "weight_decay": -1.0}, "weight decay is -1.0, it must not be below 0"),
        ({"name": "adam", "momentum": 0.9}, "adam takes no momentum: use rmsprop or sgd"),
        ({"name": "rmsprop", "weight_decay": 0.1}, "rmsprop takes no weight decay: use adamw, sgd or an L2 penalty"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=r"is|takes") as caught:
        OptimizerConfig(**options)  # type: ignore[arg-type]
    assert str(caught.value) == problem


def test_no_start_waits_for_the_compiler_of_torch() -> None:
    program = """
import sys, torch
from classifiers.training.optimizers import OptimizerConfig, build_optimizer
weight = torch.nn.Parameter(torch.ones(2))
optimizer = build_optimizer(OptimizerConfig(), [weight])
weight.sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
optimizer.zero_grad()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=100)

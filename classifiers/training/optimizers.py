"""Optimizers by name.

`rmsprop` is Keras's (`keras_rmsprop`), with which the reported recipes were trained; the others are torch's. As in
torch, weight decay is decoupled in `adamw` and added to the gradient in `sgd`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from classifiers.training.keras_rmsprop import KerasRMSprop

# The first call of one of these methods would import torch's compiler, to tell it to leave them alone, which takes more
# than a second of every start. Nothing is compiled here. This is where `torch._compile` looks.
for _name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
    _method = inspect.unwrap(getattr(Optimizer, _name))
    setattr(_method, "__dynamo_disable", _method)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optimizer; `momentum` applies to rmsprop and sgd, `weight_decay` to adamw and sgd."""

    name: str = "rmsprop"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        problems = []
        if self.name not in OPTIMIZERS:
            problems.append(f"optimizer is {self.name!r}, allowed: {', '.join(OPTIMIZERS)}")
        if not 0 < self.learning_rate < float("inf"):
            problems.append(f"learning rate is {self.learning_rate}, it must be above 0")
        if not 0 <= self.momentum < 1:
            problems.append(f"momentum is {self.momentum}, it must be at least 0 and below 1")
        if not 0 <= self.weight_decay < float("inf"):
            problems.append(f"weight decay is {self.weight_decay}, it must not be below 0")
        if self.momentum and self.name not in ("rmsprop", "sgd"):
            problems.append(f"{self.name} takes no momentum: use rmsprop or sgd")
        if self.weight_decay and self.name not in ("adamw", "sgd"):
            problems.append(f"{self.name} takes no weight decay: use adamw, sgd or an L2 penalty")
        if problems:
            raise ValueError("\n".join(problems))


def build_optimizer(config: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimizer of those `parameters` that are not frozen."""
    return OPTIMIZERS[config.name](config, [parameter for parameter in parameters if parameter.requires_grad])


def _rmsprop(config: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    return KerasRMSprop(parameters, lr=config.learning_rate, momentum=config.momentum)


def _adam(config: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.Adam(parameters, lr=config.learning_rate, foreach=True)


def _adamw(config: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True)


def _sgd(config: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        foreach=True,
    )


OPTIMIZERS: dict[str, Callable[[OptimizerConfig, list[nn.Parameter]], Optimizer]] = {
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
}

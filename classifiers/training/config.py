"""The configuration of a training: phases, regularisation, precision, and the choice of the best epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from classifiers.choices import MONITORS
from classifiers.training.phases import Phase

PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a classifier is trained.

    phases             in order
    accumulate         batches whose gradients are added up for one step; batch norm processes them separately
    l1, l2             weight penalties as defined by Keras
    class_weights      K factors on the loss of each class
    max_gradient_norm  limit to which gradients are scaled down
    precision          fp32 or bf16, of the network's arithmetic; weights are always fp32
    monitor            metric of the validation split that decides which epoch is best
    patience           epochs without improvement after which a phase ends
    """

    phases: tuple[Phase, ...] = (Phase(),)
    accumulate: int = 1
    l1: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    max_gradient_norm: float | None = None
    precision: str = "fp32"
    monitor: str = "loss"
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        problems = []
        if not self.phases:
            problems.append("phases are empty, at least one is needed")
        if self.accumulate < 1:
            problems.append(f"accumulate is {self.accumulate}, it must be at least 1 batch")
        if self.patience is not None and self.patience < 1:
            problems.append(f"patience is {self.patience}, it must be at least 1 epoch")
        if self.seed < 0:
            problems.append(f"seed is {self.seed}, it must not be below 0")
        for name in ("l1", "l2"):
            if not 0 <= getattr(self, name) < math.inf:
                problems.append(f"{name} is {getattr(self, name)}, it must not be below 0")
        if self.max_gradient_norm is not None and not self.max_gradient_norm > 0:
            problems.append(f"max_gradient_norm is {self.max_gradient_norm}, it must be above 0")
        if self.precision not in PRECISIONS:
            problems.append(f"precision is {self.precision!r}, allowed: {', '.join(PRECISIONS)}")
        if self.monitor not in MONITORS:
            problems.append(f"monitor is {self.monitor!r}, allowed: {', '.join(MONITORS)}")
        if problems:
            raise ValueError("\n".join(problems))

    @property
    def epochs(self) -> int:
        """The number of epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

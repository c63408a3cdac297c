"""What training minimises: cross-entropy on logits, and penalties on weights, as Keras means them.

In: logits (N, K) of any float type; targets int64 (N,), one class each, or float (N, K) of 0 and 1. Out: a float32
scalar. N videos, K classes.

`single-label`  softmax; targets (N,). Smoothing s takes s from the right class and gives every class s / K
`multi-label`   sigmoid; targets (N, K). Smoothing moves 0 and 1 by s / 2 towards one half. The mean over the classes,
                as in Keras and torch; YouTube-8M's own training takes their sum, K times as much

The mean over videos divides by N, whatever the class weights: a video of a class with weight 2 counts as two, as in
Keras, where torch would divide by the sum of the weights. In the multi-label case, where Keras knows no class weights,
each class's own term is weighted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SINGLE_LABEL, MULTI_LABEL = "single-label", "multi-label"


class CrossEntropy(nn.Module):
    """Checks and keeps what both kinds share."""

    class_weights: Tensor | None

    def __init__(self, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label smoothing is {label_smoothing}, expected a number from 0 to below 1")
        wrong = [] if class_weights is None else [weight for weight in class_weights if not 0 <= weight < float("inf")]
        if wrong:
            raise ValueError(f"class weights hold {wrong[0]}, expected finite numbers not below 0")
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.label_smoothing = label_smoothing

    def check(self, logits: Tensor, targets: Tensor, expected: tuple[int, ...]) -> None:
        """Refuse targets and class weights that do not belong to the logits: torch would stretch some of them."""
        if targets.shape != expected:
            raise ValueError(f"targets {tuple(targets.shape)} for logits {tuple(logits.shape)}, expected {expected}")
        if self.class_weights is not None and len(self.class_weights) != logits.shape[1]:
            raise ValueError(f"{len(self.class_weights)} class weights for {logits.shape[1]} classes")


class SoftmaxCrossEntropy(CrossEntropy):
    """One class a video."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over the videos."""
        self.check(logits, targets, (len(logits),))
        losses = F.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing, reduction="none")
        if self.class_weights is not None:
            # Torch, if it were given them, would weight the smoothed part by other classes' weights.
            losses = losses * self.class_weights[targets]
        return losses.mean()


class SigmoidCrossEntropy(CrossEntropy):
    """Any number of classes a video."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over the videos and the classes."""
        self.check(logits, targets, (len(logits), logits.shape[1]))
        smoothed = targets.float() * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits.float(), smoothed, weight=self.class_weights)


LOSSES: dict[str, type[CrossEntropy]] = {SINGLE_LABEL: SoftmaxCrossEntropy, MULTI_LABEL: SigmoidCrossEntropy}
TASKS = tuple(LOSSES)


def build_loss(
    task: str, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> CrossEntropy:
    """The loss of a task."""
    if task not in LOSSES:
        raise ValueError(f"task is {task!r}, allowed: {', '.join(LOSSES)}")
    return LOSSES[task](class_weights=class_weights, label_smoothing=label_smoothing)


def weight_penalty(model: nn.Module, *, l1: float = 0.0, l2: float = 0.0) -> Tensor:
    """Give l1 * sum of |w| + l2 * sum of w² (not half of it) over the weights.

    Weights are the trained parameters of two or more dimensions: kernels and cluster centres, but no biases and no
    scales of normalisation.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad and weight.ndim >= 2]
    terms = [l1 * weight.abs().sum() for weight in weights if l1] + [
        l2 * weight.square().sum() for weight in weights if l2
    ]
    return torch.stack(terms).sum() if terms else torch.zeros(())

"""Training losses: cross-entropy on logits, and weight penalties as defined by Keras.

In: logits (N, K) of any float type; targets int64 (N,), one class each, or float (N, K) of 0 and 1. Out: a float32
scalar. N videos, K classes.

`single-label`  softmax; targets (N,). Smoothing s takes s from the true class and adds s / K to every class
`multi-label`   sigmoid; targets (N, K). Smoothing moves 0 and 1 by s / 2 towards one half. The mean over the classes,
                as in Keras and torch; YouTube-8M's own training takes the sum, K times as much

The mean over videos divides by N, whatever the class weights: a video of a class with weight 2 counts as two, as in
Keras; torch would divide by the sum of the weights. In the multi-label case, where Keras has no class weights, the term
of each class is weighted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.choices import MULTI_LABEL, SINGLE_LABEL


class CrossEntropy(nn.Module):
    """Base of both losses: class weights, label smoothing and the check of shapes."""

    class_weights: Tensor | None

    def __init__(self, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label smoothing is {label_smoothing}, expected a number in [0, 1)")
        wrong = [] if class_weights is None else [weight for weight in class_weights if not 0 <= weight < float("inf")]
        if wrong:
            raise ValueError(f"class weights contain {wrong[0]}, expected finite numbers of at least 0")
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.label_smoothing = label_smoothing

    def check(self, logits: Tensor, targets: Tensor, expected: tuple[int, ...]) -> None:
        """Raise if targets or class weights do not match the logits; torch would broadcast some of them."""
        if targets.shape != expected:
            raise ValueError(f"targets {tuple(targets.shape)} for logits {tuple(logits.shape)}, expected {expected}")
        if self.class_weights is not None and len(self.class_weights) != logits.shape[1]:
            raise ValueError(f"{len(self.class_weights)} class weights for {logits.shape[1]} classes")


class SoftmaxCrossEntropy(CrossEntropy):
    """The loss of single-label classification: one class per video."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over the videos."""
        self.check(logits, targets, (len(logits),))
        losses = F.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing, reduction="none")
        if self.class_weights is not None:
            # Passed to torch, the weights of all classes would apply to the smoothed part.
            losses = losses * self.class_weights[targets]
        return losses.mean()


class SigmoidCrossEntropy(CrossEntropy):
    """The loss of multi-label classification: any number of classes per video."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over videos and classes."""
        self.check(logits, targets, (len(logits), logits.shape[1]))
        smoothed = targets.float() * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits.float(), smoothed, weight=self.class_weights)


LOSSES: dict[str, type[CrossEntropy]] = {SINGLE_LABEL: SoftmaxCrossEntropy, MULTI_LABEL: SigmoidCrossEntropy}


def build_loss(
    task: str, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> CrossEntropy:
    """The loss of `task`, one of `classifiers.choices.TASKS`."""
    if task not in LOSSES:
        raise ValueError(f"task is {task!r}, allowed: {', '.join(LOSSES)}")
    return LOSSES[task](class_weights=class_weights, label_smoothing=label_smoothing)


def weight_penalty(model: nn.Module, *, l1: float = 0.0, l2: float = 0.0) -> Tensor:
    """l1 * sum of |w| + l2 * sum of w² (without a factor of 1/2) over the weights.

    Weights are the trainable parameters with two or more dimensions: kernels and cluster centres, but neither biases
    nor the scales of normalisation layers.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad and weight.ndim >= 2]
    terms = [l1 * weight.abs().sum() for weight in weights if l1] + [
        l2 * weight.square().sum() for weight in weights if l2
    ]
    return torch.stack(terms).sum() if terms else torch.zeros(())

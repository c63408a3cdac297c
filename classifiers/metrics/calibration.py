"""Calibration of probabilities by temperature scaling.

In: logits (N, K) of validation videos and their targets, integers (N,) for softmax or 0 and 1 (N, K) for sigmoid; numpy
arrays or CPU tensors. Out: `Calibration`: the temperature by which logits are divided before softmax or sigmoid, and
loss and calibration error before and after. N videos, K classes; all in float64.

A temperature does not change the order of a video's classes, nor, with sigmoid, the order of all predictions. Ranking
should use logits nevertheless: far from 0, different logits round to the same probability.

The loss is convex in 1 / temperature, so Newton's method on its slope, within a shrinking bracket, finds the only
minimum. If all predictions are correct there is none, since a lower temperature is always better: the temperature
remains 1.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray

from classifiers.metrics.calibration_error import CalibrationError
from classifiers.metrics.scored_batch import ScoredBatch

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0
CHUNK_VALUES = 1 << 20  # logits converted to float64 at a time
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The fitted temperature, and its effect on the validation videos.

    `loss` is the mean cross-entropy (over videos; with sigmoid over videos and classes), `error` the expected
    calibration error.
    """

    temperature: float
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float


def calibrate(logits: ArrayLike, targets: ArrayLike) -> Calibration:
    """Fit the temperature.

    Raises:
        ValueError: if there are no videos, or logits or targets have the wrong shape or type.
    """
    batch = ScoredBatch(logits, targets)
    if not len(batch):
        raise ValueError("a temperature needs validation videos, and the split is empty")
    temperature = 1.0 if all(map(_is_all_correct, _chunks(batch))) else 1 / _best_factor(batch)
    (loss_before, error_before), (loss_after, error_after) = (_measure(batch, value) for value in (1.0, temperature))
    return Calibration(
        temperature=temperature,
        loss_before=loss_before,
        loss_after=loss_after,
        error_before=error_before,
        error_after=error_after,
    )


def probabilities(logits: NDArray[np.floating], *, is_single_label: bool, temperature: float = 1.0) -> Array:
    """Logits (N, K) to softmax or sigmoid probabilities."""
    scaled = torch.from_numpy(logits.astype(np.float64)) / temperature
    values: Array = (scaled.softmax(dim=1) if is_single_label else scaled.sigmoid()).numpy()
    return values


def _is_all_correct(batch: ScoredBatch) -> bool:
    if batch.is_single_label:
        videos, classes = batch.labels
        return bool((batch.scores[videos, classes] == batch.scores.max(axis=1)).all())
    return bool((np.where(batch.targets, batch.scores, -batch.scores) >= 0).all())


def _best_factor(batch: ScoredBatch) -> float:
    """The factor on the logits, 1 / temperature, at which the loss is lowest."""
    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    factor = 1.0
    for _ in range(100):
        slope, curvature = _slope_and_curvature(batch, factor)
        if slope == 0:
            break
        low, high = (low, factor) if slope > 0 else (factor, high)
        # A step out of the bracket is replaced by the geometric mean of its ends.
        step = factor - slope / curvature if curvature > 0 else math.nan
        next_factor = step if low < step < high else math.sqrt(low * high)
        if abs(next_factor - factor) <= 1e-9 * factor:
            break
        factor = next_factor
    return factor


def _slope_and_curvature(batch: ScoredBatch, factor: float) -> tuple[float, float]:
    """First and second derivative, by the factor, of the loss summed over the videos."""
    derivatives = np.zeros(2)
    for chunk in _chunks(batch):
        logits = chunk.scores.astype(np.float64)
        p = probabilities(logits, is_single_label=batch.is_single_label, temperature=1 / factor)
        videos, classes = chunk.labels
        if batch.is_single_label:
            expected = (p * logits).sum(axis=1)
            curvature = (p * (logits - expected[:, None]) ** 2).sum()
        else:
            expected = p * logits
            curvature = (p * (1 - p) * logits**2).sum()
        derivatives += [expected.sum() - logits[videos, classes].sum(), curvature]
    return float(derivatives[0]), float(derivatives[1])


def _measure(batch: ScoredBatch, temperature: float) -> tuple[float, float]:
    """Mean cross-entropy and expected calibration error at a temperature."""
    error, loss = CalibrationError(), 0.0
    for chunk in _chunks(batch):
        scaled = torch.from_numpy(chunk.scores.astype(np.float64)) / temperature
        if batch.is_single_label:
            targets = torch.from_numpy(chunk.targets.astype(np.int64))
            loss += F.cross_entropy(scaled, targets, reduction="sum").item()
        else:
            targets = torch.from_numpy(chunk.targets.astype(np.float64))
            loss += F.binary_cross_entropy_with_logits(scaled, targets, reduction="sum").item()
        scores = probabilities(scaled.numpy(), is_single_label=batch.is_single_label)
        error.update(ScoredBatch(scores, chunk.targets))
    return loss / (len(batch) if batch.is_single_label else batch.scores.size), error.expected


def _chunks(batch: ScoredBatch) -> Iterator[ScoredBatch]:
    rows = max(CHUNK_VALUES // batch.num_classes, 1)
    for start in range(0, len(batch), rows):
        yield ScoredBatch(batch.scores[start : start + rows], batch.targets[start : start + rows])

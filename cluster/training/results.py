"""Evaluations of a classifier on a split → the rows of the training record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.choices import SINGLE_LABEL
from classifiers.metrics.calibration import calibrate, probabilities
from classifiers.metrics.calibration_error import CalibrationError
from classifiers.metrics.class_metrics import ClassMetrics
from classifiers.metrics.confusion import ConfusionMatrix
from classifiers.metrics.evaluation import Evaluation
from classifiers.metrics.scored_batch import ScoredBatch
from classifiers.metrics.text_evaluation import TextEvaluation
from schemas.evaluations import (
    MAX_GROUPS,
    MAX_MATRIX_CLASSES,
    MAX_MISTAKES,
    MAX_PAIRS,
    ClassScore,
    ConfusedClasses,
    MistakenVideo,
    ReliabilityBin,
    SplitResult,
    TemperatureFit,
)
from schemas.text_results import TextResult

CHUNK_VIDEOS = 4096


def split_result(name: str, evaluation: Evaluation, seconds: float) -> SplitResult:
    """The result of a full evaluation that took `seconds`."""
    confusion, correlation = evaluation.confusion, evaluation.correlation
    groups = evaluation.groups.rows()
    return SplitResult(
        name=name,
        videos=evaluation.videos,
        seconds=seconds,
        summary={key: finite(value) for key, value in evaluation.summary().items()},
        classes=_class_scores(evaluation.classes),
        averages={
            "macro": evaluation.classes.macro(),
            "weighted": evaluation.classes.weighted(),
            "micro": evaluation.classes.micro(),
        },
        confusion=_whole(confusion),
        confused=_pairs(confusion),
        followed=correlation.classes,
        traded=tuple(tuple(map(finite, row)) for row in correlation.matrix().tolist()),
        most_traded=correlation.most_negative(MAX_PAIRS),
        confidence=evaluation.confidence.rows(),
        reliability=evaluation.calibration.bins(),
        calibration_error=evaluation.calibration.expected,
        mistakes=tuple(MistakenVideo(**asdict(row), uri="") for row in evaluation.mistakes.rows[:MAX_MISTAKES]),
        groups=groups[:MAX_GROUPS],
        group_count=len(groups),
        known_groups=sum(row.training_videos > 0 for row in groups),
    )


def text_result(name: str, evaluation: TextEvaluation, seconds: float) -> TextResult:
    """The result of a full evaluation of a lip reader that took `seconds`."""
    groups = evaluation.groups.rows()
    return TextResult(
        name=name,
        videos=evaluation.videos,
        seconds=seconds,
        summary={key: finite(value) for key, value in evaluation.summary().items()},
        worst=evaluation.worst,
        best=evaluation.best,
        characters=evaluation.confusion(),
        visemes=evaluation.viseme_confusion(),
        groups=groups[:MAX_GROUPS],
        group_count=len(groups),
        known_groups=sum(row.training_videos > 0 for row in groups),
    )


def temperature_fit(logits: NDArray[np.float32], targets: NDArray[Any], task: str) -> TemperatureFit:
    """Fit the temperature to logits (N, K) of validation videos."""
    fitted = calibrate(logits, targets)
    before, after = (_reliability(logits, targets, task, value) for value in (1.0, fitted.temperature))
    return TemperatureFit(**asdict(fitted), videos=len(logits), reliability_before=before, reliability_after=after)


def finite(value: float) -> float | None:
    """The number, or None for infinity and NaN, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def _class_scores(metrics: ClassMetrics) -> tuple[ClassScore, ...]:
    columns: Sequence[list[Any]] = [
        values.tolist() for values in (metrics.precision, metrics.recall, metrics.f1, metrics.support)
    ]
    return tuple(
        ClassScore(index=index, precision=precision, recall=recall, f1=f1, support=support)
        for index, (precision, recall, f1, support) in enumerate(zip(*columns, strict=True))
    )


def _whole(confusion: ConfusionMatrix | None) -> tuple[tuple[int, ...], ...]:
    if confusion is None or len(confusion.counts) > MAX_MATRIX_CLASSES:
        return ()
    return tuple(map(tuple, confusion.counts.tolist()))


def _pairs(confusion: ConfusionMatrix | None) -> tuple[ConfusedClasses, ...]:
    if confusion is None:
        return ()
    return confusion.most_confused(MAX_PAIRS)


def _reliability(
    logits: NDArray[np.float32], targets: NDArray[Any], task: str, temperature: float
) -> tuple[ReliabilityBin, ...]:
    error = CalibrationError()
    for start in range(0, len(logits), CHUNK_VIDEOS):
        chunk = slice(start, start + CHUNK_VIDEOS)
        shares = probabilities(logits[chunk], is_single_label=task == SINGLE_LABEL, temperature=temperature)
        error.update(ScoredBatch(shares, targets[chunk]))
    return error.bins()

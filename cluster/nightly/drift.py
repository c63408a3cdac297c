"""Drift: whether the distribution of tonight's labels differs from earlier nights.

In: tonight's `LabelStatistics` and the records of earlier nights. Out: `Drift`.

Each class's share of the first labels is compared with the mean of its shares in earlier nights. The standard error of
the difference is the larger of two estimates. The first is sampling error alone, as if all nights drew from one
population: its variance is p (1 - p) (1/n + mean of 1/n_i / m), with p from all nights together, n videos tonight and
n_i in each of the m earlier nights. The second is the variance among earlier nights, s² (1 + 1/m): weekends are no
drift.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.label_statistics import ClassCount, ClassDrift, Drift, LabelStatistics
from schemas.nights import NightRecord


def drift_of(tonight: LabelStatistics, model: str, nights: Sequence[NightRecord]) -> Drift | None:
    """Tonight's drift; None where tonight or all earlier nights have no labels."""
    earlier = [(night, night.labels) for night in nights if night.labels is not None and night.labels.videos]
    if not earlier or not tonight.videos:
        return None
    everything = [labels for _, labels in earlier] + [tonight]
    names = {entry.index: entry.name for labels in everything for entry in labels.classes if entry.first}
    indices = sorted(names)
    counts = np.array([_first_counts(labels.classes, indices) for labels in everything])  # (nights + 1, K)
    videos = np.array([labels.videos for labels in everything], np.float64)  # (nights + 1,)
    shares = counts / videos[:, None]
    before, now = shares[:-1].mean(axis=0), shares[-1]
    errors = _errors(counts, videos, shares[:-1])
    return Drift(
        nights=tuple(night.date for night, _ in earlier),
        other_models=sum(night.model != model for night, _ in earlier),
        divergence=_divergence(before, now),
        classes=tuple(
            ClassDrift(
                index=index,
                name=names[index],
                count=int(counts[-1, place]),
                expected=float(before[place] * videos[-1]),
                share=float(now[place]),
                share_before=float(before[place]),
                error=float(errors[place]),
            )
            for place, index in enumerate(indices)
        ),
    )


def _first_counts(classes: Sequence[ClassCount], indices: Sequence[int]) -> list[int]:
    counts = {entry.index: entry.first for entry in classes}
    return [counts.get(index, 0) for index in indices]


def _errors(counts: NDArray[np.int64], videos: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    nights = len(before)
    pooled = counts.sum(axis=0) / videos.sum()
    sampling: NDArray[np.float64] = pooled * (1 - pooled) * (1 / videos[-1] + (1 / videos[:-1]).sum() / nights**2)
    if nights == 1:
        return np.sqrt(sampling)
    among_nights: NDArray[np.float64] = before.var(axis=0, ddof=1) * (1 + 1 / nights)
    return np.sqrt(np.maximum(sampling, among_nights))


def _divergence(before: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence in bits; the remainder to 1 are videos without a label, one more outcome."""
    p, q = (np.append(shares, max(1.0 - shares.sum(), 0.0)) for shares in (before, now))
    middle = (p + q) / 2
    total = 0.0
    for shares in (p, q):
        there = shares > 0
        total += 0.5 * float(np.sum(shares[there] * np.log2(shares[there] / middle[there])))
    return min(max(total, 0.0), 1.0)

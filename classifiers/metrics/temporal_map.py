"""Average precision of detected intervals against annotated ones, at thresholds of temporal intersection over union.

In: ground truth and detections as `Intervals`, the scores of the detections (n,), T thresholds and the number of
classes K. Out: average precisions, (T, K) float64: NaN for a class without ground truth, which a mean over the classes
leaves out, and 0 for one without detections.

Two evaluators are named after the data sets that they come with:

    activitynet  `eval_detection.py` of activitynet/ActivityNet. The detections of a class in all videos, by falling
                 score: each takes the ground truth of its video that overlaps most among those still free, if the
                 overlap is at least the threshold. Average precision is the area below precision, made monotone from
                 the right, over recall
    thumos       `TH14evalDet` of THUMOS14. Each ground truth, in the order given, takes the detection that overlaps
                 most among those still free, whatever the scores, if the overlap exceeds the threshold. Detections that
                 were not taken and touch an ambiguous interval of their video do not count. Average precision is the
                 sum of the precisions at the hits over the number of positives

For both, a detection in a video without ground truth is a false one, and ground truth that no detection can hit,
because it has no length or ends before it starts, is a positive. (THUMOS14's code swaps the times of the latter.)
Detections of equal scores count in the order given, which the originals leave to their sorting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Intervals:
    """n intervals in videos.

    videos   (n,) int64, numbers of the videos; `classes` likewise, from 0 to K - 1
    starts   (n,) float64, seconds; `ends` likewise
    """

    videos: NDArray[np.int64]
    classes: NDArray[np.int64]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.videos)

    def take(self, places: NDArray[np.intp]) -> Intervals:
        """Those at some places."""
        return Intervals(self.videos[places], self.classes[places], self.starts[places], self.ends[places])

    def overlaps(self, start: float, end: float) -> NDArray[np.float64]:
        """(n,) intersection over union with an interval; 0 for two without length."""
        shared = np.maximum(np.minimum(self.ends, end) - np.maximum(self.starts, start), 0.0)
        union = (self.ends - self.starts) + (end - start) - shared
        overlaps: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(self)), where=union > 0)
        return overlaps


Matcher = Callable[[Intervals, Intervals, NDArray[np.float64]], NDArray[np.bool_]]
"""Ground truth and detections of one class in one video, the latter by falling score, (n,) -> hits (T, n)."""

Evaluator = Callable[
    [Intervals, Intervals, NDArray[np.float64], Sequence[float], int, Intervals | None], NDArray[np.float64]
]
"""Ground truth, detections, their scores, thresholds, number of classes and ambiguous intervals -> (T, K)."""


def activitynet_precisions(
    truth: Intervals,
    detections: Intervals,
    scores: NDArray[np.float64],
    thresholds: Sequence[float],
    classes: int,
    ambiguous: Intervals | None = None,
) -> NDArray[np.float64]:
    """Average precisions (T, K) as ActivityNet defines them, which knows no ambiguous intervals."""
    ranked = detections.take(np.argsort(-scores, kind="stable"))
    hits = _hits(truth, ranked, thresholds, classes, _by_score)
    return _average_precisions(truth, ranked, hits, np.ones_like(hits), classes, is_monotone=True)


def thumos_precisions(
    truth: Intervals,
    detections: Intervals,
    scores: NDArray[np.float64],
    thresholds: Sequence[float],
    classes: int,
    ambiguous: Intervals | None = None,
) -> NDArray[np.float64]:
    """Average precisions (T, K) as THUMOS14's code computes them."""
    ranked = detections.take(np.argsort(-scores, kind="stable"))
    hits = _hits(truth, ranked, thresholds, classes, _by_truth)
    counts = hits | ~(_touched(ranked, ambiguous) if ambiguous else np.zeros(len(ranked), bool))
    return _average_precisions(truth, ranked, hits, counts, classes, is_monotone=False)


EVALUATORS: dict[str, Evaluator] = {"activitynet": activitynet_precisions, "thumos": thumos_precisions}


def _by_score(truth: Intervals, detections: Intervals, thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    hits = np.zeros((len(thresholds), len(detections)), bool)
    is_free = np.ones((len(thresholds), len(truth)), bool)
    rows = np.arange(len(thresholds))
    for place, (start, end) in enumerate(zip(detections.starts, detections.ends, strict=True)):
        overlaps = np.where(is_free, truth.overlaps(start, end), -1.0)  # (T, g)
        best = overlaps.argmax(axis=1)
        hits[:, place] = overlaps[rows, best] >= thresholds
        is_free[rows, best] &= ~hits[:, place]
    return hits


def _by_truth(truth: Intervals, detections: Intervals, thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    hits = np.zeros((len(thresholds), len(detections)), bool)
    rows = np.arange(len(thresholds))
    for start, end in zip(truth.starts, truth.ends, strict=True):
        overlaps = np.where(hits, -1.0, detections.overlaps(start, end))  # (T, n)
        best = overlaps.argmax(axis=1)
        hits[rows, best] |= overlaps[rows, best] > thresholds
    return hits


def _hits(
    truth: Intervals, ranked: Intervals, thresholds: Sequence[float], classes: int, match: Matcher
) -> NDArray[np.bool_]:
    """(T, n) which detections, by falling score, are hits at each threshold."""
    hits = np.zeros((len(thresholds), len(ranked)), bool)
    found = dict(_groups(ranked.videos * classes + ranked.classes))
    for key, places in _groups(truth.videos * classes + truth.classes):
        if key in found:
            hits[:, found[key]] = match(truth.take(places), ranked.take(found[key]), np.array(thresholds))
    return hits


def _touched(ranked: Intervals, ambiguous: Intervals) -> NDArray[np.bool_]:
    """(n,) which detections share time with an ambiguous interval of their video."""
    touched = np.zeros(len(ranked), bool)
    found = dict(_groups(ranked.videos))
    for video, start, end in zip(ambiguous.videos.tolist(), ambiguous.starts, ambiguous.ends, strict=True):
        if video in found:
            touched[found[video]] |= ranked.take(found[video]).overlaps(start, end) > 0
    return touched


def _average_precisions(
    truth: Intervals,
    ranked: Intervals,
    hits: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    classes: int,
    *,
    is_monotone: bool,
) -> NDArray[np.float64]:
    """(T, K) from which detections, by falling score, are hits, and which count, (T, n) each."""
    positives = np.bincount(truth.classes, minlength=classes)
    found = dict(_groups(ranked.classes))
    averages = np.where(positives > 0, 0.0, np.nan) * np.ones((len(hits), 1))
    for place in set(found) & set(np.flatnonzero(positives).tolist()):
        is_hit, is_counted = hits[:, found[place]], counts[:, found[place]]
        precision = is_hit.cumsum(axis=1) / np.maximum(is_counted.cumsum(axis=1), 1)
        if is_monotone:
            precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        averages[:, place] = (precision * is_hit).sum(axis=1) / positives[place]
    return averages


def _groups(keys: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each key with its places, in their order."""
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    yield from zip(found.tolist(), np.split(order, starts[1:]), strict=True) if len(keys) else ()

"""Ranking metrics of YouTube-8M: hit@1, PERR, GAP@20, mAP and mAP@10, and top-1 and top-5 accuracy.

In: batches of videos scored with probabilities; PERR ignores scores that are not above 0. Out: `RankingScores`. N
videos, K classes, k = min(20, K).

Source: google/youtube-8m `eval_util.py`. As there, GAP and mAP use the k highest scores of each video, but count all
labels as relevant; mAP excludes classes without labels; a video without labels counts as a miss. Among equal scores,
hit@1 takes the first class as in the source; PERR and the selection of the k predictions take the first classes, where
the source takes any; for GAP and mAP see `average_precision`.

State: the k predictions take at most 7 k bytes per video (140 for more than 255 classes), 9 k for float64 scores; the
rest is two counts per class. Sorting in `scores` temporarily takes about five times as much. Counts are integers and
ties do not depend on order, so that any distribution to workers gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.metrics.average_precision import ranked_precisions
from classifiers.metrics.base import StreamingMetric
from classifiers.metrics.scored_batch import ScoredBatch
from classifiers.metrics.top_predictions import top_predictions

YOUTUBE_8M_TOP_K = 20
PREDICTIONS = ("classes", "scores", "are_correct")
COUNTS = ("num_videos", "labels", "videos_correct_within", "correct_by_num_labels")


@dataclass(frozen=True, kw_only=True)
class RankingScores:
    """The metrics, in [0, 1].

    hit_at_one              fraction of videos whose top class is one of their labels
    perr                    precision at equal recall rate: the fraction of a video's L labels among its top L classes,
                            averaged over the videos
    gap                     global average precision: that of the top k predictions of all videos in one list
    mean_average_precision  average precision of each class, averaged over the classes with labels
    mean_average_precision_at_10
                            the same at 10: of the ten highest scores of each class, and at most ten of its labels
    top_1_accuracy          the same as hit@1
    top_5_accuracy          fraction of videos with a label among their top five classes
    num_videos              N
    """

    hit_at_one: float
    perr: float
    gap: float
    mean_average_precision: float
    mean_average_precision_at_10: float
    top_1_accuracy: float
    top_5_accuracy: float
    num_videos: int


class RankingMetrics(StreamingMetric):
    """The top k predictions of all videos, and counts."""

    def __init__(self, num_classes: int, *, top_k: int = YOUTUBE_8M_TOP_K) -> None:
        self._top_k = min(top_k, num_classes)
        self._class_type = np.min_scalar_type(num_classes - 1)
        self._predictions: dict[str, list[NDArray[Any]]] = {
            "classes": [np.zeros(0, self._class_type)],
            "scores": [np.zeros(0, np.float16)],  # the narrowest type: concatenation keeps the type of the scores
            "are_correct": [np.zeros(0, bool)],
        }
        self._counts = {
            "num_videos": np.zeros(1, np.int64),
            "labels": np.zeros(num_classes, np.int64),
            "videos_correct_within": np.zeros(6, np.int64),  # [r]: videos with a label among the top r classes
            "correct_by_num_labels": np.zeros(num_classes + 1, np.int64),  # [L]: labels among the top L, for L labels
        }

    @override
    def update(self, batch: ScoredBatch) -> None:
        classes, scores = top_predictions(batch.scores, max(self._top_k, 5))
        are_correct = batch.are_correct(classes)  # (N, k) in the order of the scores
        self._counts["num_videos"] += len(batch)
        self._counts["labels"] += batch.support
        for top in range(1, 6):
            self._counts["videos_correct_within"][top] += are_correct[:, :top].any(axis=1).sum()
        self._count_correct_by_num_labels(batch, are_correct & (scores > 0))
        self._predictions["classes"].append(classes[:, : self._top_k].astype(self._class_type).ravel())
        self._predictions["scores"].append(scores[:, : self._top_k].ravel())
        self._predictions["are_correct"].append(are_correct[:, : self._top_k].ravel())

    @override
    def state(self) -> dict[str, NDArray[Any]]:
        for parts in self._predictions.values():
            parts[:] = [np.concatenate(parts)]
        counts = {name: count.copy() for name, count in self._counts.items()}
        return counts | {name: parts[0] for name, parts in self._predictions.items()}

    @override
    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name in COUNTS:
            self._counts[name] = self._counts[name] + state[name]
        for name in PREDICTIONS:
            self._predictions[name].append(state[name])

    def scores(self) -> RankingScores:
        """The metrics of all videos so far.

        Raises:
            ValueError: if there are no videos.
        """
        num_videos = int(self._counts["num_videos"][0])
        if num_videos == 0:
            raise ValueError("no metrics without videos: the split is empty")
        classes, scores, are_correct = self._sorted_predictions()
        labels = self._counts["labels"]
        gap = ranked_precisions(np.zeros_like(classes), scores, are_correct).averages(labels.sum(keepdims=True))
        by_class = ranked_precisions(classes, scores, are_correct)
        found = self._counts["correct_by_num_labels"]
        correct_within = self._counts["videos_correct_within"] / num_videos
        return RankingScores(
            hit_at_one=float(correct_within[1]),
            perr=float((found[1:] / np.arange(1, len(found))).sum() / num_videos),
            gap=float(gap[0]) if labels.any() else 0.0,
            mean_average_precision=_mean(by_class.averages(labels)),
            mean_average_precision_at_10=_mean(by_class.averages(labels, at=10)),
            top_1_accuracy=float(correct_within[1]),
            top_5_accuracy=float(correct_within[5]),
            num_videos=num_videos,
        )

    def average_precision_by_class(self) -> NDArray[np.float64]:
        """Average precision of each class (K,); NaN for classes without labels."""
        return ranked_precisions(*self._sorted_predictions()).averages(self._counts["labels"])

    def _sorted_predictions(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Classes, scores and correctness of all predictions, in descending order of scores."""
        state = self.state()
        order = np.argsort(state["scores"])[::-1]
        for name in PREDICTIONS:
            self._predictions[name] = [state[name][order]]
        classes, scores, are_correct = (self._predictions[name][0] for name in PREDICTIONS)
        return classes, scores, are_correct

    def _count_correct_by_num_labels(self, batch: ScoredBatch, are_correct: NDArray[np.bool_]) -> None:
        """Count the labels among the top L classes of each video with L labels, given the top k (N, k)."""
        num_labels = batch.labels_per_video
        within = np.arange(are_correct.shape[1]) < num_labels[:, None]
        hits = (are_correct & within).sum(axis=1)
        # Videos with more than k labels are rare and need another selection.
        more = np.flatnonzero(num_labels > are_correct.shape[1])
        if more.size:
            videos = ScoredBatch(batch.scores[more], batch.targets[more])
            classes, scores = top_predictions(videos.scores, int(num_labels[more].max()))
            within = np.arange(classes.shape[1]) < num_labels[more, None]
            hits[more] = (videos.are_correct(classes) & (scores > 0) & within).sum(axis=1)
        np.add.at(self._counts["correct_by_num_labels"], num_labels, hits)


def _mean(by_class: NDArray[np.float64]) -> float:
    """The mean over the classes with labels, 0 without any."""
    return 0.0 if np.isnan(by_class).all() else float(np.nanmean(by_class))

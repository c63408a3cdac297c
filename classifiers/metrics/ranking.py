"""Ranking metrics of YouTube-8M: hit@1, PERR, GAP@20 and mAP, and with them top-1 and top-5 accuracy.

In: batches of scored videos, the scores being probabilities: PERR takes what is not above 0 for no prediction. Out:
`RankingScores`. N videos, K classes, k = min(20, K).

Source: google/youtube-8m `eval_util.py`. As there, GAP and mAP see the k highest scores of each video, in which all
labels are to be found, also those outside; mAP leaves out classes without a label; a video without labels counts as a
miss. Where scores are equal, hit@1 takes the first class as the evaluator does; for PERR and for which predictions are
among the k, the evaluator takes any, here the first ones; for GAP and mAP see `average_precision`.

State: what is kept of the k predictions grows by at most 7 k bytes a video (140 for more than 255 classes), 9 k where
the scores are float64; the rest is two counts a class. To sort it takes `scores` about five times that for a moment.
All counts are whole numbers and ties do not depend on order, so that any division among workers gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics.average_precision import average_precisions
from classifiers.metrics.scored_batch import ScoredBatch
from classifiers.metrics.top_predictions import top_predictions

YOUTUBE_8M_TOP_K = 20
PREDICTIONS = ("classes", "scores", "are_right")
COUNTS = ("num_videos", "labels", "videos_right_within", "right_by_num_labels")


@dataclass(frozen=True, kw_only=True)
class RankingScores:
    """All between 0 and 1.

    hit_at_one              share of videos whose best class is one of theirs
    perr                    precision at equal recall rate: of a video's L labels, the share found among its L best
                            classes; the mean over the videos
    gap                     global average precision of all videos' k best predictions in one list
    mean_average_precision  the same for each class, the mean over the classes that have labels
    top_1_accuracy          hit@1 by its other name
    top_5_accuracy          share of videos with one of their classes among the five best
    num_videos              N
    """

    hit_at_one: float
    perr: float
    gap: float
    mean_average_precision: float
    top_1_accuracy: float
    top_5_accuracy: float
    num_videos: int


class RankingMetrics:
    """Streaming: `update` with batches, `merge` what other workers have, then ask for `scores`."""

    def __init__(self, num_classes: int, *, top_k: int = YOUTUBE_8M_TOP_K) -> None:
        self._top_k = min(top_k, num_classes)
        self._class_type = np.min_scalar_type(num_classes - 1)
        self._predictions: dict[str, list[NDArray[Any]]] = {
            "classes": [np.zeros(0, self._class_type)],
            "scores": [np.zeros(0, np.float16)],  # the narrowest type, so that joining keeps that of the scores
            "are_right": [np.zeros(0, bool)],
        }
        self._counts = {
            "num_videos": np.zeros(1, np.int64),
            "labels": np.zeros(num_classes, np.int64),
            "videos_right_within": np.zeros(6, np.int64),  # [r]: with a right class among the r best
            "right_by_num_labels": np.zeros(num_classes + 1, np.int64),  # [L]: found among L of the videos with L
        }

    def update(self, batch: ScoredBatch) -> None:
        """Count videos in."""
        classes, scores = top_predictions(batch.scores, max(self._top_k, 5))
        are_right = batch.are_right(classes)  # (N, k) in the order of the scores
        self._counts["num_videos"] += len(batch)
        self._counts["labels"] += batch.support
        for best in range(1, 6):
            self._counts["videos_right_within"][best] += are_right[:, :best].any(axis=1).sum()
        self._count_right_by_num_labels(batch, are_right & (scores > 0))
        self._predictions["classes"].append(classes[:, : self._top_k].astype(self._class_type).ravel())
        self._predictions["scores"].append(scores[:, : self._top_k].ravel())
        self._predictions["are_right"].append(are_right[:, : self._top_k].ravel())

    def state(self) -> dict[str, NDArray[Any]]:
        """All that was counted, as plain arrays that can be sent to another process."""
        for parts in self._predictions.values():
            parts[:] = [np.concatenate(parts)]
        counts = {name: count.copy() for name, count in self._counts.items()}
        return counts | {name: parts[0] for name, parts in self._predictions.items()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Count in what another worker's `state` holds."""
        for name in COUNTS:
            self._counts[name] = self._counts[name] + state[name]
        for name in PREDICTIONS:
            self._predictions[name].append(state[name])

    def scores(self) -> RankingScores:
        """The metrics of all videos so far.

        Raises:
            ValueError: if there were none.
        """
        num_videos = int(self._counts["num_videos"][0])
        if num_videos == 0:
            raise ValueError("there are no metrics of no videos: the split is empty")
        classes, scores, are_right = self._falling_predictions()
        labels = self._counts["labels"]
        gap = average_precisions(np.zeros_like(classes), scores, are_right, labels.sum(keepdims=True))
        of_classes = average_precisions(classes, scores, are_right, labels)
        found = self._counts["right_by_num_labels"]
        right_within = self._counts["videos_right_within"] / num_videos
        return RankingScores(
            hit_at_one=float(right_within[1]),
            perr=float((found[1:] / np.arange(1, len(found))).sum() / num_videos),
            gap=float(gap[0]) if labels.any() else 0.0,
            mean_average_precision=float(np.nanmean(of_classes)) if labels.any() else 0.0,
            top_1_accuracy=float(right_within[1]),
            top_5_accuracy=float(right_within[5]),
            num_videos=num_videos,
        )

    def average_precision_by_class(self) -> NDArray[np.float64]:
        """(K,), NaN for classes without a label."""
        return average_precisions(*self._falling_predictions(), self._counts["labels"])

    def _falling_predictions(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Classes, scores, and which are right, of all predictions in the order of falling scores."""
        kept = self.state()
        order = np.argsort(kept["scores"])[::-1]
        for name in PREDICTIONS:
            self._predictions[name] = [kept[name][order]]
        classes, scores, are_right = (self._predictions[name][0] for name in PREDICTIONS)
        return classes, scores, are_right

    def _count_right_by_num_labels(self, batch: ScoredBatch, found: NDArray[np.bool_]) -> None:
        """Count the right ones among the L best of each video with L labels; `found` tells of the k best."""
        num_labels = batch.labels_per_video
        within = np.arange(found.shape[1]) < num_labels[:, None]
        hits = (found & within).sum(axis=1)
        # More labels than predictions that are kept: rare, and the only reason to look at a video again.
        more = np.flatnonzero(num_labels > found.shape[1])
        if more.size:
            videos = ScoredBatch(batch.scores[more], batch.targets[more])
            classes, scores = top_predictions(videos.scores, int(num_labels[more].max()))
            within = np.arange(classes.shape[1]) < num_labels[more, None]
            hits[more] = (videos.are_right(classes) & (scores > 0) & within).sum(axis=1)
        np.add.at(self._counts["right_by_num_labels"], num_labels, hits)

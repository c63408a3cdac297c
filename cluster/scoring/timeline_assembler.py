"""Timelines of segments → the labels and the timeline of each video, or its failure.

The labels of a video with a timeline follow from it, by the mean of its steps if nothing else is wanted. A segment that
cannot be decoded leaves a gap in the timeline, unless later ones go on from its state: then its video fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.inference.timelines import mean_labels
from cluster.engines.tasks import Done, Failed, Outcome, failure_row
from cluster.runs.lifecycle import internal_error
from cluster.scoring.label_writer import VideoLabels
from extractors.features import is_hopeless
from extractors.segments import Segment
from schemas.failures import FailureRow
from schemas.outcomes import FailureCode, Stage
from schemas.timelines import Timeline, joined_timeline
from schemas.videos import Video

LabelsOf = Callable[[Timeline, int], tuple[NDArray[np.intp], NDArray[np.float32]]]  # and the number of the best classes


@dataclass(frozen=True)
class TimelineScores:
    """The result for one segment of a video.

    segment           without the state from which it went on
    num_frames        frames that the network was given
    seconds_by_stage  CPU seconds
    """

    segment: Segment
    timeline: Timeline
    num_frames: int
    seconds_by_stage: dict[str, float]


class TimelineAssembler:
    """Keeps the timelines of finished segments of long videos, and nothing else of them, until the last one arrives.

    A video has labels of at most `top_k` of `num_classes` classes, those that `labels_of` its timeline gives.
    """

    def __init__(self, run_id: str, *, num_classes: int, top_k: int, labels_of: LabelsOf = mean_labels) -> None:
        self._run_id = run_id
        self._num_classes = num_classes
        self._top_k, self._labels_of = top_k, labels_of
        self._done: dict[str, dict[int, Timeline]] = {}  # by video, and the segment's place
        self._lost: dict[str, int] = {}  # how many segments, by video

    def add(self, outcome: Outcome) -> VideoLabels | FailureRow | None:
        """The video's labels or failure if this outcome settles it, else None."""
        video, segment = outcome.task.video, outcome.task.segment
        done = self._done.setdefault(video.id, {})
        lost = self._lost.setdefault(video.id, 0)
        if isinstance(outcome, Done):
            segment = outcome.features.segment
            done[segment.index] = outcome.features.timeline.copied()  # without the state that came with it
        elif segment is not None and outcome.leaves_a_gap and not is_hopeless(lost + 1, segment.count):
            self._lost[video.id] += 1
        else:
            return self._failure(outcome)
        if len(done) + self._lost[video.id] < segment.count:
            return None
        try:
            timeline = joined_timeline([done[index] for index in sorted(done)])
            timeline.check(self._num_classes)
        except ValueError:  # of a process that a hostile file has taken over
            return self._failure(Failed(outcome.task, FailureCode.INTERNAL, internal_error(), Stage.DECODE))
        if not len(timeline.numbers):
            message = "no step of a timeline begins in it: it is shorter than a step, or what there is of it is damaged"
            return self._failure(Failed(outcome.task, FailureCode.NO_DECODABLE_FRAME, message, Stage.DECODE))
        self._forget(video)
        return VideoLabels(video, *self._labels_of(timeline, self._top_k), timeline)

    def _failure(self, failed: Failed) -> FailureRow:
        self._forget(failed.task.video)
        return failure_row(failed, self._run_id)

    def _forget(self, video: Video) -> None:
        del self._done[video.id], self._lost[video.id]

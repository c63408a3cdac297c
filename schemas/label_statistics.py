"""Statistics of the labels of one day, and their drift from earlier nights.

The first label of a video is the one with the highest score. Scores and shares are between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from schemas.records import Checked
from schemas.sampled_timelines import SampledTimeline

CONFIDENCE_BINS = 20


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Videos of one class: as their `first` label, or with a `sure` one, whose score reaches `sure_from`.

    `mean_score` is over all videos that have the label.
    """

    index: int
    name: str
    first: int
    sure: int
    mean_score: float


@dataclass(frozen=True, kw_only=True)
class LabelledVideo:
    """A video and its first label."""

    id: str
    index: int
    name: str
    score: float


@dataclass(frozen=True, kw_only=True)
class LabelStatistics(Checked):
    """The labels of one day by one model.

    videos       videos that have a row, `unlabelled` those of them of which no class reached the threshold
    sure_from    lowest score of a label that counts as sure
    mean_score   of the first labels
    classes      those that occur in any row, by their index
    confidences  histogram of the first labels' scores, in `CONFIDENCE_BINS` equal bins from 0 to 1
    least_sure   the videos whose first labels have the lowest scores below `sure_from`, the lowest first
    samples      some videos of each of the most frequent first labels, in the order of their frequency
    timelines    those of some videos, where videos have timelines
    """

    videos: int
    unlabelled: int
    sure_from: float
    mean_score: float
    classes: tuple[ClassCount, ...]
    confidences: tuple[int, ...]
    least_sure: tuple[LabelledVideo, ...]
    samples: tuple[LabelledVideo, ...]
    timelines: tuple[SampledTimeline, ...] = ()

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if len(self.confidences) != CONFIDENCE_BINS:
            yield f"{len(self.confidences)} bins in confidences, expected {CONFIDENCE_BINS}"
        if sum(entry.first for entry in self.classes) + self.unlabelled != self.videos:
            yield "the classes' first labels and the videos without a label do not add up to all videos"

    def share(self, count: int) -> float:
        """`count` videos as a share of all."""
        return count / self.videos if self.videos else 0.0


@dataclass(frozen=True, kw_only=True)
class ClassDrift:
    """Share of videos whose first label a class is: tonight's, the mean of earlier nights, and the standard error.

    `count` is the number of tonight's videos, `expected` the number at the earlier share.
    """

    index: int
    name: str
    count: int
    expected: float
    share: float
    share_before: float
    error: float

    @property
    def difference(self) -> float:
        """Tonight's share less the earlier one."""
        return self.share - self.share_before

    @property
    def errors(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.error if self.error else math.copysign(math.inf, self.difference)

    @property
    def is_marked(self) -> bool:
        """Whether the difference exceeds three standard errors."""
        return abs(self.difference) > 3 * self.error


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Tonight's first labels against those of earlier `nights` (days); `other_models` of them had another model.

    `divergence` is the Jensen-Shannon divergence of the two distributions: 0 for equal ones, 1 where they share
    nothing. `classes` are those that occur tonight or earlier, by their index.
    """

    nights: tuple[str, ...]
    other_models: int
    divergence: float
    classes: tuple[ClassDrift, ...]

    @property
    def new(self) -> tuple[ClassDrift, ...]:
        """Classes that no earlier night had."""
        return tuple(entry for entry in self.classes if entry.count and not entry.share_before)

    @property
    def vanished(self) -> tuple[ClassDrift, ...]:
        """Classes that tonight lacks."""
        return tuple(entry for entry in self.classes if not entry.count and entry.share_before)

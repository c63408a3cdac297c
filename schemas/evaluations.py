"""Evaluation of a classifier on a split: the rows that metrics return and the training record holds.

Classes are their positions, 0 to K - 1. None stands for a number that is not defined or not finite, which JSON cannot
hold. A result stays small however many classes there are: above `MAX_MATRIX_CLASSES` there is no confusion matrix, but
always the most confused pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_MATRIX_CLASSES = 64
MAX_PAIRS = 50
MAX_MISTAKES = 100
MAX_GROUPS = 200


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Metrics of one class; `support` is the number of its videos."""

    index: int
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class ScoreAverage:
    """A mean over the classes."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class ConfusedClasses:
    """`count` videos of class `true` were predicted as class `predicted`, a `share` of all videos of `true`."""

    true: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True, kw_only=True)
class TradedClasses:
    """Correlation of the probabilities of classes `true` and `other`, among the videos of class `true`."""

    true: int
    other: int
    correlation: float


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Mean and standard deviation of the probability of a class among its own videos."""

    index: int
    support: int
    mean: float
    standard_deviation: float


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """`count` predictions with probabilities in (`low`, `high`]: their mean, and the share that is correct."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class MistakenVideo:
    """Video `id` of class `true` (-1: of none) was predicted as class `predicted`.

    `probability` is that of the predicted class, `true_probability` that of the true one; `uri` is empty where unknown.
    """

    id: str
    true: int
    predicted: int
    probability: float
    true_probability: float
    uri: str


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """Videos of one group (a person, a recording), those classified correctly, and how many others were trained on."""

    group: str
    videos: int
    correct: int
    training_videos: int

    @property
    def accuracy(self) -> float:
        """The share of the videos that was classified correctly."""
        return self.correct / self.videos


@dataclass(frozen=True, kw_only=True)
class SplitResult:
    """Evaluation of the best epoch on one split, with the fitted temperature.

    summary            loss, hit_at_one, perr, gap, mean_average_precision, mean_average_precision_at_10,
                       top_1_accuracy, top_5_accuracy
    classes            K rows, in the order of the classes
    averages           by name: macro, weighted, micro
    confusion          K x K counts, rows the true class; empty with several labels a video, or too many classes
    confused           the most confused pairs, most videos first; empty with several labels a video
    followed           the M classes whose correlations were computed, the first ones
    traded             M x M: row c holds the correlations of class c with each other class among the videos of c; None
                       where they are too few, or a probability does not vary
    most_traded        the most negative of them
    confidence         classes that have videos, the highest mean first
    reliability        bins of the reliability diagram that are not empty
    calibration_error  expected calibration error
    mistakes           the most confident first
    groups             those of the videos, the lowest accuracy first; empty where the data have none
    group_count        how many they are, of which only the first `MAX_GROUPS` are listed
    known_groups       how many of them have training videos
    """

    name: str
    videos: int
    seconds: float
    summary: Mapping[str, float | None]
    classes: tuple[ClassScore, ...]
    averages: Mapping[str, ScoreAverage]
    confusion: tuple[tuple[int, ...], ...]
    confused: tuple[ConfusedClasses, ...]
    followed: tuple[int, ...]
    traded: tuple[tuple[float | None, ...], ...]
    most_traded: tuple[TradedClasses, ...]
    confidence: tuple[Confidence, ...]
    reliability: tuple[ReliabilityBin, ...]
    calibration_error: float
    mistakes: tuple[MistakenVideo, ...]
    groups: tuple[GroupScore, ...] = ()
    group_count: int = 0
    known_groups: int = 0


@dataclass(frozen=True, kw_only=True)
class FrameAccuracy:
    """hit@1 of a stream network on `videos` videos of the validation split, after each frame of their clips.

    fps     of the clips; None where frames are not at a fixed rate
    shares  after the first frame, after the first two, and so on
    """

    videos: int
    fps: float | None
    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class TemperatureFit:
    """The temperature fitted on `videos` videos of the validation split.

    Loss, calibration error and reliability bins of these videos without it (`before`) and with it (`after`).
    """

    temperature: float
    videos: int
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float
    reliability_before: tuple[ReliabilityBin, ...]
    reliability_after: tuple[ReliabilityBin, ...]

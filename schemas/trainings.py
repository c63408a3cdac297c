"""Training record: data, epochs and evaluation of one training of a classifier; kept as `training.json`.

Classes are their positions, 0 to K - 1, among `classes`. None stands for a number that is not defined or not finite,
which JSON cannot hold. A record stays small however many classes there are: above `MAX_MATRIX_CLASSES` there is no
confusion matrix, but always the most confused pairs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from schemas.clips import ClipInput
from schemas.records import Execution, Record

SCHEMA_VERSION = 2
TRAINING, VALIDATION, TEST = SPLITS = ("training", "validation", "test")
MAX_MATRIX_CLASSES = 64
MAX_PAIRS = 50
MAX_MISTAKES = 100


@dataclass(frozen=True, kw_only=True)
class TrainedClass:
    """One class: name, index in the labels of the dataset, and videos by split (training after balancing)."""

    name: str
    index: int
    videos: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training split, and metrics by name on it and on the validation split.

    None stands for a number that is not finite; `phase` is the position of its phase among those of the training.
    """

    epoch: int
    seconds: float
    learning_rate: float
    training: Mapping[str, float | None]
    validation: Mapping[str, float | None]
    phase: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainedPhase:
    """Epochs that train the last `stages` of the network (None: all of it) in the same way."""

    epochs: int
    stages: int | None
    optimizer: str
    learning_rate: float
    schedule: str


@dataclass(frozen=True, kw_only=True)
class LostVideo:
    """A video that could not be used, with the reason: `code` is one of `schemas.outcomes.FailureCode`."""

    id: str
    uri: str
    code: str
    message: str


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
class SplitResult:
    """Evaluation of the best epoch on one split, with the fitted temperature.

    summary            loss, hit_at_one, perr, gap, mean_average_precision, top_1_accuracy, top_5_accuracy
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


@dataclass(frozen=True, kw_only=True)
class TrainingMachine:
    """Where a training took place: engine, workers, and the device and CPUs of each worker."""

    engine: str
    workers: int
    device: str
    cpus: int


@dataclass(frozen=True, kw_only=True)
class TrainingRecord(Execution, Record):
    """One training.

    split_sizes         videos by split; training after balancing
    resumed_at_epoch    the epochs at which the training was resumed
    splits              results, validation always among them, in the order of `SPLITS`
    temperature         None where there was no validation split to fit it to
    seconds_by_stage    by name: opening, training, evaluation, calibration and the like
    phases              as planned; one may have ended early
    clips               input of a clip classifier; None for one that takes features
    lost                videos that could not be decoded, and are in no split
    """

    title: ClassVar[str] = "training record"

    model: str
    parameters: int
    level: str
    task: str
    monitor: str
    seed: int
    rgb_dim: int
    audio_dim: int
    classes: tuple[TrainedClass, ...]
    split_sizes: Mapping[str, int]
    history: tuple[Epoch, ...]
    best_epoch: int
    stopped_early: bool
    resumed_at_epoch: tuple[int, ...]
    splits: tuple[SplitResult, ...]
    temperature: TemperatureFit | None
    seconds_by_stage: Mapping[str, float]
    machine: TrainingMachine
    feature_fingerprint: Mapping[str, str]
    phases: tuple[TrainedPhase, ...] = ()
    clips: ClipInput | None = None
    lost: tuple[LostVideo, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        unknown = sorted({split.name for split in self.splits} - set(SPLITS))
        if unknown:
            yield f"splits are named {', '.join(unknown)}, allowed: {', '.join(SPLITS)}"
        if not 0 <= self.best_epoch < len(self.history):
            yield f"best_epoch is {self.best_epoch}, with {len(self.history)} epochs in the history"
        for split in self.splits:
            if len(split.classes) != len(self.classes):
                yield f"{split.name} has {len(split.classes)} rows for {len(self.classes)} classes"

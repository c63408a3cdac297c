"""Training record: everything that one training of a classifier tells about itself; kept as `training.json`.

In: what the training counted and measured.
Out: `to_json()`, text that is equal for equal records (sorted keys, no clock of its own), and `from_json()`, which
takes nothing but such text and lists every disagreement in one error.

Classes are their positions, 0 to K - 1, among `classes`. Times of day are ISO 8601 in UTC, lengths of time seconds.
None stands for a number that is not defined or not finite, for which JSON has no word. A record stays small however
many classes there are: above `MAX_MATRIX_CLASSES` there is no whole confusion matrix, but always the most confused
pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas import strict_json
from schemas.clips import ClipInput

SCHEMA_VERSION = 2
TRAINING, VALIDATION, TEST = SPLITS = ("training", "validation", "test")
MAX_MATRIX_CLASSES = 64
MAX_PAIRS = 50
MAX_MISTAKES = 100


@dataclass(frozen=True, kw_only=True)
class TrainedClass:
    """One class: its name, its index in the labels of the dataset, and the videos it has in each split.

    `videos` is by split; that of training is after balancing.
    """

    name: str
    index: int
    videos: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training split: what was measured on it and on the validation split, by name.

    `phase` is the place of its phase among those of the record.
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
    """A video that could not be used, and why: `code` is one of `schemas.outcomes.FailureCode`."""

    id: str
    uri: str
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Of one class; `support` is the number of its videos."""

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
    """`count` videos of class `true` were given class `predicted`; `share` is that of all videos of `true`."""

    true: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True, kw_only=True)
class TradedClasses:
    """Among the videos of class `true`, its probability and that of class `other` have this correlation."""

    true: int
    other: int
    correlation: float


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Mean and standard deviation of the probability that videos of a class give to it."""

    index: int
    support: int
    mean: float
    standard_deviation: float


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """`count` predictions with probabilities in (`low`, `high`]: their mean, and the share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class MistakenVideo:
    """Video `id` of class `true` (-1: of none) was given class `predicted`.

    `probability` is that of the predicted class, `true_probability` that of the right one; `uri` is empty where it is
    not known.
    """

    id: str
    true: int
    predicted: int
    probability: float
    true_probability: float
    uri: str


@dataclass(frozen=True, kw_only=True)
class SplitResult:
    """All that was measured of the best epoch on one split, with the fitted temperature.

    summary            loss, hit_at_one, perr, gap, mean_average_precision, top_1_accuracy, top_5_accuracy
    classes            K rows, in the order of the classes
    averages           by name: macro, weighted, micro
    confusion          K x K counts, rows the true class; empty with several labels a video, or too many classes
    confused           the most confused pairs, most videos first; empty with several labels a video
    followed           the M classes whose correlations were followed, the first ones
    traded             M x M: row c is the correlation of class c with each other among the videos of c; None where
                       they are too few, or a probability does not vary
    most_traded        the most negative of them
    confidence         classes that have videos, the surest first
    reliability        bins of the reliability diagram that are not empty
    calibration_error  expected
    mistakes           the surest first
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
    """What the temperature, fitted on `videos` of the validation split, changes on them.

    `reliability_before` are the bins of these videos without a temperature, `reliability_after` with it.
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
    """Where the training took place: engine, workers, and what each worker had at its disposal."""

    engine: str
    workers: int
    device: str
    cpus: int


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """One training. `command` is its command line, word by word, so that it can be given again.

    split_sizes         videos by split; that of training after balancing
    resumed_at_epoch    the epochs at which the training went on after an interruption; empty where there was none
    splits              results, validation always among them, in the order of `SPLITS`
    temperature         None where there was no validation split to fit it to
    seconds_by_stage    by name: opening, training, evaluation, calibration and the like
    phases              as they were meant to be; one may have ended early
    clips               what a clip classifier takes; None for one that takes features
    lost                videos that could not be decoded, and are in no split
    """

    command: tuple[str, ...]
    started_at: str
    finished_at: str
    configuration: Mapping[str, Any]
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
    versions: Mapping[str, str]
    feature_fingerprint: Mapping[str, str]
    phases: tuple[TrainedPhase, ...] = ()
    clips: ClipInput | None = None
    lost: tuple[LostVideo, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a record that could not be read as what it is."""
        problems = []
        unknown = sorted({split.name for split in self.splits} - set(SPLITS))
        if unknown:
            problems.append(f"splits are named {', '.join(unknown)}, allowed: {', '.join(SPLITS)}")
        if not 0 <= self.best_epoch < len(self.history):
            problems.append(f"best_epoch is {self.best_epoch}, with {len(self.history)} epochs in the history")
        for split in self.splits:
            if len(split.classes) != len(self.classes):
                problems.append(f"{split.name} has {len(split.classes)} rows for {len(self.classes)} classes")
        if problems:
            raise ValueError("; ".join(problems))

    def to_json(self) -> str:
        """Write the record as JSON text."""
        return strict_json.dump(self)

    @classmethod
    def from_json(cls, text: str) -> "TrainingRecord":
        """Read what `to_json` wrote; `strict_json.JsonMismatchError` lists everything that is wrong."""
        return strict_json.load(cls, text, "training record", schema_version=SCHEMA_VERSION)

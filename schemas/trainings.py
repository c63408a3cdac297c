"""Training record: data, epochs and evaluation of one training of a classifier, kept in `RECORD_FILE`.

Classes are their positions, 0 to K - 1, among `classes`. None stands for a number that is not defined or not finite,
which JSON cannot hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from schemas.clips import ClipInput
from schemas.evaluations import FrameAccuracy, SplitResult, TemperatureFit
from schemas.lips import LipInput
from schemas.records import Execution, Record
from schemas.text_results import ReadSentence, TextResult

SCHEMA_VERSION = 2
RECORD_FILE = "training.json"  # in the folder of the checkpoint
TRAINING, VALIDATION, TEST = SPLITS = ("training", "validation", "test")


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
    `examples` are validation sentences as a lip reader read them.
    """

    epoch: int
    seconds: float
    learning_rate: float
    training: Mapping[str, float | None]
    validation: Mapping[str, float | None]
    phase: int = 0
    examples: tuple[ReadSentence, ...] = ()


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
    by_frame            of a stream network with a validation split
    lips                input of a lip reader, whose classes are the characters of its alphabet, counted in the texts
    texts               its results, in place of `splits`
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
    by_frame: FrameAccuracy | None = None
    lips: LipInput | None = None
    texts: tuple[TextResult, ...] = ()
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

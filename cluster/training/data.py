"""The interface of training data: chosen classes and splits of the videos, as features, clips or mouths.

    TrainingData   description of the data, small, the same for all workers (`feature_data`, `clip_data`, `lip_data`)
    Feed           a worker's access to the data, open while it trains
    Source         a worker's share of a split: batches, for each epoch anew

The training loop knows its data only through these three.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import nn

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import ClassChoice
from classifiers.metrics.group_accuracy import NO_GROUPS, VideoGroups
from classifiers.text.alphabet import Alphabet
from classifiers.training.config import TrainingConfig
from classifiers.training.identity import TrainingIdentity
from classifiers.training.loop import Batch
from classifiers.training.objective import Classification, Objective
from cluster.training.config import TrainingSettings
from cluster.training.progress import UNWATCHED, Meter
from cluster.training.results import split_result
from cluster.training.splits import Split
from schemas.clips import ClipInput
from schemas.evaluations import SplitResult
from schemas.lips import LipInput
from schemas.text_results import TextResult
from schemas.trainings import TRAINING, LostVideo


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """The input of the model, as checkpoint and record store it (`classifiers.weights.checkpoint`)."""

    rgb_dim: int = 0
    audio_dim: int = 0
    columns: tuple[str, ...] = ()
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    clips: ClipInput | None = None
    lips: LipInput | None = None
    alphabet: Alphabet | None = None


HASHED_ROWS = 1 << 14  # at a time, as targets of many classes take much memory


class Source(Protocol):
    """One worker's share of a split."""

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""

    def batches(self, epoch: int = 0) -> Iterator[Batch]:
        """One pass over the share; if shuffled, `epoch` determines the order."""


class Feed(Protocol):
    """A worker's access to the data."""

    def source(self, split: Any, order: BatchOrder) -> Source:
        """The worker's share of a split."""

    def find_lost(self, meter: Meter = UNWATCHED) -> Sequence[LostVideo]:
        """The unusable videos in the worker's share of all videos."""

    def close(self) -> None:
        """Release everything that was started."""


@dataclass(frozen=True)
class TrainingData(ABC):
    """The chosen classes, and the splits by name."""

    settings: TrainingSettings
    choice: ClassChoice
    splits: Mapping[str, Split]

    @property
    @abstractmethod
    def input(self) -> ModelInput:
        """The input of the model."""

    @abstractmethod
    def build_model(self) -> nn.Module:
        """The model to train; weights without an origin are drawn from torch's random generator."""

    @abstractmethod
    def feed(self, worker: Worker) -> Feed:
        """The access of a worker to the data."""

    @abstractmethod
    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        """URIs of videos of a split, by id, where they are known."""

    @property
    def is_repeatable(self) -> bool:
        """Whether a video gives the same input in every epoch, to a model with stages that can be frozen."""
        return False

    @property
    def is_calibrated(self) -> bool:
        """Whether a temperature is fitted to the outputs."""
        return True

    def objective(self, config: TrainingConfig) -> Objective:
        """What the model is trained for."""
        return Classification(self.settings.options.task, len(self.choice), config)

    def result(self, name: str, evaluation: Any, seconds: float) -> SplitResult | TextResult:
        """The evaluation of a split, for the record."""
        return split_result(name, evaluation, seconds)

    def augmentation(self) -> nn.Module | None:
        """The random augmentation of training inputs, or None."""
        return None

    def groups(self) -> VideoGroups:
        """The groups of the videos, where the data have them."""
        return NO_GROUPS

    def without(self, lost: Sequence[LostVideo]) -> TrainingData:
        """The same data without the `lost` videos."""
        if lost:
            raise ValueError(f"{type(self).__name__} cannot leave out videos: {len(lost)} given")
        return self

    def class_weights(self) -> tuple[float, ...]:
        """(K,) weights that give all classes the same total weight; 1 on average over the training videos."""
        counts = self.splits[TRAINING].counts()
        return tuple((counts.sum() / (len(counts) * counts)).tolist())

    def identity(self) -> Mapping[str, Any]:
        """What identifies these data, as JSON values."""
        return {
            "data.class_indices": list(self.choice.indices),
            "data.fingerprint": dict(self.input.fingerprint),
            "data.counts": {name: split.counts().tolist() for name, split in self.splits.items()},
            "data.labels": self._labels_sha256(),
        }

    def _labels_sha256(self) -> str:
        """A hash of which video has which classes in which split: labels that were corrected make other data."""
        digest = hashlib.sha256()
        for split in self.splits.values():
            rows = np.flatnonzero(split.rows)
            for start in range(0, len(rows), HASHED_ROWS):
                part = rows[start : start + HASHED_ROWS]
                digest.update(part.tobytes() + split.targets.of(part).tobytes())
            digest.update(b"|")
        return digest.hexdigest()


def identity_of(data: TrainingData) -> TrainingIdentity:
    """The identity of the training on these data; what describes the data follows from the other options."""
    options, described = data.settings.identity(), data.identity()
    return TrainingIdentity({**options, **described}, data.settings.options.unchanged() | described.keys())

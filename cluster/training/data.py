"""What a classifier is trained on: classes that were chosen, and parts of the videos, as features or as clips.

    TrainingData   what there is: small, the same for all workers         (`cluster.training.feature_data`,
    `cluster.training.clip_data`) Feed           what gives batches of it in one worker                  open as long as
    the worker trains Source         one worker's share of a part: so many batches, anew in each epoch

The training itself knows no more of its data than this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import ClassChoice
from classifiers.training.loop import Batch
from cluster.training.config import TrainingSettings
from cluster.training.splits import Split
from schemas.clips import ClipInput
from schemas.trainings import TRAINING, LostVideo


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """What the model looks at, as the checkpoint and the record have it; see `classifiers.weights.checkpoint`."""

    rgb_dim: int = 0
    audio_dim: int = 0
    columns: tuple[str, ...] = ()
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    clips: ClipInput | None = None


class Source(Protocol):
    """One worker's share of a split."""

    @property
    def steps(self) -> int:
        """How many batches there are in an epoch."""

    def batches(self, epoch: int = 0) -> Iterator[Batch]:
        """One pass over them; `epoch` decides the order where it is shuffled."""


class Feed(Protocol):
    """Gives batches to one worker."""

    def source(self, split: Any, order: BatchOrder) -> Source:
        """The worker's share of a split."""

    def find_lost(self) -> Sequence[LostVideo]:
        """Of the worker's share of all videos, those that cannot be used."""

    def close(self) -> None:
        """Let go of everything that was started."""


@dataclass(frozen=True)
class TrainingData(ABC):
    """The chosen classes, and the parts that hold videos, by name."""

    settings: TrainingSettings
    choice: ClassChoice
    splits: Mapping[str, Split]

    @property
    @abstractmethod
    def input(self) -> ModelInput:
        """What the model looks at."""

    @abstractmethod
    def build_model(self) -> nn.Module:
        """The model that is trained; weights that come from nowhere are drawn by torch's generator."""

    @abstractmethod
    def feed(self, worker: Worker) -> Feed:
        """What gives batches to a worker."""

    @abstractmethod
    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        """Where videos of a split are, those that are known."""

    @property
    def is_repeatable(self) -> bool:
        """Whether a video gives the same input in every epoch, and stages that can be frozen come after it."""
        return False

    def changes(self) -> nn.Module | None:
        """What changes inputs at random while the model is trained; None where nothing does."""
        return None

    def without(self, lost: Sequence[LostVideo]) -> TrainingData:
        """The same without the videos that are `lost`."""
        if lost:
            raise ValueError(f"{type(self).__name__} has lost {len(lost)} videos, which cannot be")
        return self

    def class_weights(self) -> tuple[float, ...]:
        """(K,), so that each class weighs as much as every other; 1 on average over the training videos."""
        counts = self.splits[TRAINING].counts()
        return tuple((counts.sum() / (len(counts) * counts)).tolist())

    def identity(self) -> Mapping[str, Any]:
        """What tells these data from others, as JSON gives it back."""
        return {
            "data.class_indices": list(self.choice.indices),
            "data.fingerprint": dict(self.input.fingerprint),
            "data.counts": {name: split.counts().tolist() for name, split in self.splits.items()},
        }

"""The two ways of scoring, from features and from videos, as the run that carries them out sees them.

A plan is all that can be known and checked beforehand. A way begins with it once the lease of the labels is held, finds
out what is left to do, does that, and hands out label shards as they come.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime

from classifiers.inference.base import Classifier
from cluster.datasets.label_dataset import LabelDataset
from cluster.engines.base import Engine
from cluster.engines.options import EngineOptions
from cluster.engines.registry import make_engine
from cluster.scoring.config import ScoringSettings
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine


@dataclass(frozen=True, kw_only=True)
class ScoringBasis(ABC):
    """What is common to the plans of both.

    settings     of the run
    manner       what makes labels comparable: those made in another manner are old
    """

    settings: ScoringSettings
    run_id: str
    started: datetime
    manner: Mapping[str, str]
    dataset: LabelDataset

    @property
    @abstractmethod
    def classifier(self) -> Classifier:
        """Who says what the labels are."""

    @property
    @abstractmethod
    def fingerprint(self) -> Mapping[str, str]:
        """How what it looks at is made."""

    @property
    @abstractmethod
    def videos(self) -> int:
        """How many there are, whether labelled or not."""


@dataclass(frozen=True)
class Backlog:
    """What a way finds when it begins.

    left      videos to label
    settled   others that failed in earlier runs, and are not tried again
    replaced  labels of this day that were withdrawn, because those videos are labelled again
    """

    left: int
    settled: int = 0
    replaced: int = 0


@dataclass(frozen=True)
class RunStats:
    """What happened on the way beside labels.

    embedded          rows of embeddings that were written
    retried           videos that needed more than one attempt
    workers_lost      and `nodes_lost`, machines: what they had in hand was done by others
    seconds_by_stage  CPU seconds
    """

    embedded: int = 0
    retried: int = 0
    workers_lost: int = 0
    nodes_lost: int = 0
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)


class LabelSource(ABC):
    """One of the two, to be closed."""

    plan: ScoringBasis

    def __init__(self) -> None:
        self._stack = ExitStack()

    def _open(self, engine: Engine | None, options: EngineOptions) -> Engine:
        """`engine`, or one that is closed with this source."""
        return engine or self._stack.enter_context(closing(make_engine(options)))

    @abstractmethod
    def machine(self) -> Machine:
        """What there is to work with."""

    @abstractmethod
    def begin(self) -> Backlog:
        """Find out what is left to do, and withdraw what will be replaced. With the lease of the labels."""

    @abstractmethod
    def outcomes(self) -> Iterator[ScoredPortion]:
        """Do it. A portion counts as taken when the next is asked for."""

    def rest(self) -> Iterator[ScoredPortion]:
        """What is finished and was not taken, after an end or an interruption."""
        yield from ()

    def course(self) -> RunStats:
        """What has happened until now."""
        return RunStats()

    def close(self) -> None:
        """Let go of everything that was started."""
        self._stack.close()

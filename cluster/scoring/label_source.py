"""A source of labels, as a scoring run uses it: features (`feature_scoring`) or videos (`clip_scoring`).

A source has a plan from the start. Once the lease of the label dataset is held it determines its backlog, works through
it, and yields label shards as they are finished.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from cluster.engines.base import Engine
from cluster.engines.deferred import DeferredEngine
from cluster.scoring.config import ScoringSettings
from cluster.scoring.label_writer import ScoredPortion
from cluster.scoring.plan import ScoringPlan
from cluster.storage import files
from schemas.records import Machine


@dataclass(frozen=True)
class Backlog:
    """What a source has to do.

    left      videos to label
    failed    codes, by id, of others that failed in earlier runs, and are not tried again
    replaced  labels of this day that were withdrawn because their videos are labelled again
    """

    left: int
    failed: Mapping[str, str] = field(default_factory=dict)
    replaced: int = 0


@dataclass(frozen=True)
class RunStats:
    """Statistics of a run so far, beside its labels.

    embedded          rows of embeddings that were written
    retried           videos that needed more than one attempt
    workers_lost      processes that died; others did their tasks
    nodes_lost        machines that left
    seconds_by_stage  CPU seconds
    """

    embedded: int = 0
    retried: int = 0
    workers_lost: int = 0
    nodes_lost: int = 0
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)


class LabelSource(ABC):
    """A source of labels; to be closed."""

    plan: ScoringPlan

    def __init__(self) -> None:
        self._stack = ExitStack()

    def _open(self, engine: Engine | None, settings: ScoringSettings) -> Engine:
        """`engine`, or one that starts with the work and is closed with this source."""
        options = settings.options
        return engine or self._stack.enter_context(
            closing(DeferredEngine(options.engine, files.join(options.labels, "staging")))
        )

    @abstractmethod
    def machine(self) -> Machine:
        """The machines that the engine has for this work."""

    @abstractmethod
    def begin(self) -> Backlog:
        """Determine the backlog, start the engine if there is any, and withdraw labels that will be replaced.

        The caller holds the lease.
        """

    @abstractmethod
    def outcomes(self) -> Generator[ScoredPortion]:
        """Work through the backlog. A portion counts as taken when the next one is requested."""

    def rest(self) -> Generator[ScoredPortion]:
        """Portions that are finished and were not taken, after the end or an interruption."""
        yield from ()

    def stats(self) -> RunStats:
        """Statistics so far."""
        return RunStats()

    def close(self) -> None:
        """Close everything that was opened."""
        self._stack.close()

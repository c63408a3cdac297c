"""Engines for scoring: where portions of the features are labelled. Both give the same labels, to the bit, on CPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from cluster.scoring.feature_scorer import Portion, Scorer
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine


@dataclass(frozen=True)
class ScoringEngineConfig:
    """How much of the machine an engine uses: `workers` None for all, `address` of a Ray cluster.

    `wait_seconds` is how long a cluster may have no room for any worker before the run gives up.
    """

    workers: int | None = None
    address: str | None = None
    wait_seconds: float = 600.0


class ScoringEngine(Protocol):
    """Has portions scored by several workers."""

    def machine(self) -> Machine:
        """What there is to work with."""
        ...

    def run(self, portions: Sequence[Portion], scorer: Scorer) -> Iterator[ScoredPortion]:
        """Yield each portion's outcome, in any order. Raises `EngineError` where it cannot go on."""
        ...

    def close(self) -> None:
        """Let go of everything that was started."""
        ...


# Modules that have a `make_engine(config)`; imported when asked for, because Ray is heavy.
SCORING_ENGINES = {"ray": "cluster.engines.ray_scoring", "local": "cluster.engines.local_scoring"}


def make_scoring_engine(name: str, config: ScoringEngineConfig) -> ScoringEngine:
    """The engine of that name."""
    if name not in SCORING_ENGINES:
        raise ValueError(f"no engine {name!r}; known are {', '.join(SCORING_ENGINES)}")
    engine: ScoringEngine = import_module(SCORING_ENGINES[name]).make_engine(config)
    return engine

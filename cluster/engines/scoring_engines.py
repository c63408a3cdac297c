"""Engines for scoring: where portions of the features are labelled. Both give the same labels, to the bit, on CPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Protocol

from cluster.engines.options import EngineOptions
from cluster.scoring.feature_scorer import Portion, Scorer
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine


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


# Modules that have a `make_engine(options)`; imported when asked for, because Ray is heavy.
SCORING_ENGINES = {"ray": "cluster.engines.ray_scoring", "local": "cluster.engines.local_scoring"}


def make_scoring_engine(options: EngineOptions) -> ScoringEngine:
    """The engine that `options` name."""
    engine: ScoringEngine = import_module(SCORING_ENGINES[options.engine]).make_engine(options)
    return engine

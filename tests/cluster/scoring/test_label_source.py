"""What all sources of labels share: an engine of their own, and nothing left to take."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from typing_extensions import override

from cluster.engines.base import Engine
from cluster.engines.local import LocalEngine
from cluster.scoring.label_source import Backlog, LabelSource, RunStats
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine
from tests.support.scoring import scoring_config

SETTINGS = scoring_config("features", "classifier", "labels").settings()


class NoLabels(LabelSource):
    """Has nothing to do."""

    def __init__(self, engine: Engine | None = None) -> None:
        super().__init__()
        self.engine = self._open(engine, SETTINGS)

    @override
    def machine(self) -> Machine:
        return self.engine.machine()

    @override
    def begin(self) -> Backlog:
        return Backlog(0)

    @override
    def outcomes(self) -> Generator[ScoredPortion]:
        yield from ()


class WatchedEngine(LocalEngine):
    """Knows whether it was closed."""

    is_closed = False

    @override
    def close(self) -> None:
        self.is_closed = True


def test_by_default_nothing_is_left_and_nothing_has_happened() -> None:
    with closing(NoLabels()) as source:
        assert (list(source.rest()), source.stats()) == ([], RunStats())


def test_an_engine_is_made_from_the_options_unless_one_is_given() -> None:
    assert isinstance(NoLabels().engine.started(), LocalEngine)
    given = WatchedEngine()
    assert NoLabels(given).engine is given


def test_closing_a_source_closes_only_an_engine_of_its_own(monkeypatch) -> None:
    given, own = WatchedEngine(), WatchedEngine()
    NoLabels(given).close()
    assert not given.is_closed
    monkeypatch.setattr("cluster.engines.local.make_engine", lambda options, staging: own)
    source = NoLabels()
    source.engine.started()
    source.close()
    assert own.is_closed

"""Features as a source of labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from cluster.engines.local import LocalEngine
from cluster.scoring.feature_scoring import FeatureScoring
from cluster.scoring.label_source import Backlog, RunStats
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.scoring import scoring_config, write_features


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A scorer takes one core for itself; the tests that follow get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def source_of(root: Path, **options: object) -> FeatureScoring:
    features = write_features(root / "features", {"a": [0, 1, 2], "b": [3, 4]})
    checkpoint = write_trained(root / "checkpoint", trained())
    return FeatureScoring(scoring_config(features, checkpoint, root / "labels", **options).settings())


def test_all_rows_are_the_backlog_and_come_out_in_portions(tmp_path: Path) -> None:
    with closing(source_of(tmp_path, rows_per_shard=2)) as source:
        assert source.plan.videos == 5
        assert source.begin() == Backlog(5)
        portions = list(source.outcomes())
        assert sorted(portion.number for portion in portions) == list(range(len(portions)))
        assert sum(portion.videos for portion in portions) == 5
        assert list(source.rest()) == []
        assert source.stats() == RunStats()
        assert source.machine().cpus >= 1


def test_without_a_backlog_no_worker_is_needed(tmp_path: Path) -> None:
    with closing(source_of(tmp_path)) as source, source.plan.dataset.lease():
        source.begin()
        for portion in source.outcomes():
            source.plan.dataset.commit(portion.number, portion.shard, portion.ledger)
    with closing(source_of(tmp_path)) as source:
        assert source.begin() == Backlog(0)
        assert list(source.outcomes()) == []


def test_an_engine_that_is_given_stays_open(tmp_path: Path) -> None:
    class WatchedEngine(LocalEngine):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    engine = WatchedEngine()
    features = write_features(tmp_path / "features", {"a": [0]})
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    settings = scoring_config(features, checkpoint, tmp_path / "labels").settings()
    FeatureScoring(settings, engine).close()
    assert not engine.is_closed


def test_bad_input_is_refused_before_any_engine_starts(tmp_path: Path) -> None:
    settings = scoring_config(tmp_path / "none", tmp_path / "none", tmp_path / "labels").settings()
    with pytest.raises(InputError, match="none"):
        FeatureScoring(settings)

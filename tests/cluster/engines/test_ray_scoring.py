"""Scoring on a real cluster: equal to scoring here, and no worse for the loss of a worker."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest
import ray
from ray.util import placement_group, remove_placement_group

from cluster.datasets.label_dataset import Labelled
from cluster.engines.base import EngineError
from cluster.engines.options import EngineOptions
from cluster.engines.ray_scoring import RayScoring
from cluster.engines.scoring_engines import make_scoring_engine
from cluster.scoring.plan import make_scoring_plan
from tests.support.checkpoints import trained, write_trained
from tests.support.clusters import command_of, descendants
from tests.support.scoring import scoring_config, write_features

NOTHING = Labelled(pa.chunked_array([], pa.string()), pa.chunked_array([], pa.string()))


@pytest.fixture(scope="module")
def engine():
    with closing(RayScoring(EngineOptions(workers=2))) as engine:
        yield engine


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    features = write_features(folder / "features", {f"{n:02d}": range(n * 50, n * 50 + 50) for n in range(16)})
    checkpoint = write_trained(folder / "checkpoint", trained("dense-6"))
    return make_scoring_plan(scoring_config(features, checkpoint, folder / "labels", rows_per_shard=50).settings())


@contextmanager
def all_cores_taken():
    """Others have every core of the cluster; gives what they hold."""
    held = placement_group([{"CPU": ray.cluster_resources()["CPU"]}])
    ray.get(held.ready(), timeout=60)
    try:
        yield held
    finally:
        remove_placement_group(held)


class WhenHeard(logging.Handler):
    """Does something at a line of the log."""

    def __init__(self, words, act):
        super().__init__()
        self._words, self._act = words, act

    def emit(self, record):
        if self._words in record.getMessage():
            self._act()


def outcomes_of(engine, plan):
    found = list(engine.run(plan.portions(NOTHING), plan.scorer))
    return {scored.number: (scored.shard, scored.ledger) for scored in found}, len(found)


def test_it_says_what_the_local_engine_says_to_the_bit(engine, plan):
    local = make_scoring_engine(EngineOptions(engine="local", workers=3))
    expected, number = outcomes_of(local, plan)
    assert number == len(expected) == 16
    assert outcomes_of(engine, plan) == (expected, 16)
    assert engine.machine().engine == "ray"


def test_a_worker_that_is_killed_costs_nothing(engine, plan):
    outcomes = engine.run(plan.portions(NOTHING), plan.scorer)
    found = [next(outcomes)]
    actors = [process for process in descendants(os.getpid()) if "ray::ScorerActor" in command_of(process)]
    assert actors
    os.kill(actors[0], signal.SIGKILL)
    found += outcomes
    assert sorted(scored.number for scored in found) == list(range(16))
    assert all(scored.shard and not scored.unread for scored in found)


def test_it_gives_up_where_there_is_no_room(engine, plan, caplog):
    impatient = RayScoring(EngineOptions(cluster_wait=2.0))
    with (
        all_cores_taken(),
        pytest.raises(EngineError, match="no free CPU core, all are in use; what is committed stays"),
    ):
        next(impatient.run(plan.portions(NOTHING), plan.scorer))
    assert caplog.text.count("waiting for a free CPU core in the cluster; all are in use") == 1


def test_it_goes_on_once_there_is_room(engine, plan, monkeypatch):
    monkeypatch.setattr("cluster.engines.ray_scoring.WARN_SECONDS", 1.0)
    logger = logging.getLogger("framemill")
    with all_cores_taken() as held:
        heard = WhenHeard("waiting for a free CPU core", lambda: remove_placement_group(held))
        logger.addHandler(heard)
        try:
            found, _ = outcomes_of(engine, plan)
        finally:
            logger.removeHandler(heard)
    assert sorted(found) == list(range(16))

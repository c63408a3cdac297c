"""Scoring while machines of a real cluster come and go: no portion is lost, and none is blamed for its machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray

from cluster.engines.base import EngineError
from cluster.engines.options import EngineOptions
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.ray import RayEngine, RayRun
from cluster.engines.ray_cluster import FileCopies
from cluster.scoring.feature_plan import make_feature_plan
from cluster.scoring.feature_scorer import FeatureScorer, Portion
from cluster.scoring.label_writer import ScoredPortion
from tests.support.checkpoints import trained, write_trained
from tests.support.clusters import Nodes, running_cluster
from tests.support.engines import NO_LABELS
from tests.support.features import feature_row, write_shard
from tests.support.scoring import scoring_config

PORTIONS = 2000
pytestmark = pytest.mark.heavy


@pytest.fixture
def work(tmp_path: Path) -> tuple[list[Portion], FeatureScorer]:
    """Enough portions to be in the middle of them when something happens."""
    features = write_shard(tmp_path / "a.parquet", [feature_row(n) for n in range(PORTIONS)], row_group_size=1)
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    plan = make_feature_plan(scoring_config(features, checkpoint, tmp_path / "labels", rows_per_shard=1).settings())
    return plan.portions(NO_LABELS), plan.scorer


@contextmanager
def joined(nodes: Nodes, **options: float) -> Iterator[RayEngine]:
    """An engine on a cluster."""
    try:
        yield RayEngine(EngineOptions(address=nodes.address, **options))
    finally:
        ray.shutdown()


class Run:
    """A run that is carried on for as long as something has not come true."""

    def __init__(self, portions: list[Portion], scorer: FeatureScorer) -> None:
        self.queue: PortionQueue[Portion, ScoredPortion] = PortionQueue(portions)
        self._run = RayRun(EngineOptions(), self.queue, scorer, FileCopies.of([], needed=False))
        self._outcomes = self._run.outcomes()
        self._found: list[ScoredPortion] = []

    @property
    def ready(self) -> int:
        """How many workers have started."""
        return sum(worker.is_ready for worker in self._run.workers)

    def step(self) -> None:
        """Take another portion."""
        self._found.append(next(self._outcomes))

    def finish(self) -> None:
        """Take the rest, and check that every portion was scored once, none of them to blame for a worker."""
        self._found += self._outcomes
        self._run.close()
        assert sorted(scored.number for scored in self._found) == list(range(PORTIONS))
        assert all(scored.shard and not scored.unread for scored in self._found)
        assert not self.queue.retried


def test_a_machine_that_comes_gets_work_and_one_that_is_lost_blames_no_portion(
    work: tuple[list[Portion], FeatureScorer],
) -> None:
    with running_cluster() as nodes:
        first = nodes.add()
        with joined(nodes):
            run = Run(*work)
            run.step()
            assert run.ready == 1
            nodes.add()
            while run.ready < 2:
                run.step()
            nodes.kill(first)
            run.finish()
    assert run.queue.nodes_lost == {first.node_id}
    assert 1 <= run.queue.workers_lost <= 2, "its worker, and at most one that was sent there before it was missed"


def test_a_machine_with_a_preemption_notice_finishes_its_portions_and_gets_no_more(
    work: tuple[list[Portion], FeatureScorer],
) -> None:
    with running_cluster() as nodes:
        first, _ = nodes.add(), nodes.add()
        with joined(nodes):
            run = Run(*work)
            while run.ready < 2:
                run.step()
            nodes.announce_preemption(first, 120)
            while nodes.processes(first, "WorkerActor"):
                run.step()
            assert not run.queue.is_over
            nodes.kill(first)
            run.finish()
    assert (run.queue.workers_lost, run.queue.nodes_lost) == (0, {first.node_id})


def test_a_cluster_without_a_machine_is_given_up(work: tuple[list[Portion], FeatureScorer]) -> None:
    portions, scorer = work
    with (
        running_cluster() as nodes,
        joined(nodes, cluster_wait=2.0) as engine,
        pytest.raises(EngineError, match="no free CPU core, there is none"),
    ):
        next(engine.run(PortionQueue(portions), scorer))

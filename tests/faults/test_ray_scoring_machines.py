"""Scoring while machines of a real cluster come and go."""

from __future__ import annotations

import pyarrow as pa
import pytest
import ray
from cluster.engines.ray_scoring import RayScoring, ScorerPool

from cluster.datasets.label_dataset import Labelled
from cluster.engines.base import EngineError
from cluster.engines.options import EngineOptions
from cluster.scoring.plan import make_scoring_plan
from tests.support.checkpoints import trained, write_trained
from tests.support.clusters import running_cluster
from tests.support.features import feature_row, write_shard
from tests.support.scoring import scoring_config

PORTIONS = 2000
NOTHING = Labelled(pa.chunked_array([], pa.string()), pa.chunked_array([], pa.string()))
pytestmark = pytest.mark.heavy


def test_a_machine_that_comes_gets_work_and_one_that_goes_costs_nothing(tmp_path):
    features = write_shard(tmp_path / "a.parquet", [feature_row(n) for n in range(PORTIONS)], row_group_size=1)
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    plan = make_scoring_plan(scoring_config(features, checkpoint, tmp_path / "labels", rows_per_shard=1).settings())
    portions = plan.portions(NOTHING)
    with running_cluster() as nodes:
        first = nodes.add()
        RayScoring(EngineOptions(address=nodes.address))
        try:
            pool = ScorerPool(portions, plan.scorer, EngineOptions())
            outcomes = pool.outcomes()
            found = [next(outcomes)]
            assert len(pool.actors) == 1
            nodes.add()
            while len(pool.actors) < 2:
                found.append(next(outcomes))
            nodes.kill(first)
            found += outcomes
            pool.close()
        finally:
            ray.shutdown()
    assert sorted(scored.number for scored in found) == list(range(PORTIONS))
    assert all(scored.shard and not scored.unread for scored in found)


def test_a_cluster_without_a_machine_is_given_up(tmp_path):
    features = write_shard(tmp_path / "a.parquet", [feature_row(0)])
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    plan = make_scoring_plan(scoring_config(features, checkpoint, tmp_path / "labels").settings())
    with running_cluster() as nodes:
        engine = RayScoring(EngineOptions(address=nodes.address, cluster_wait=2.0))
        try:
            with pytest.raises(EngineError, match="no free CPU core, there is none"):
                next(engine.run(plan.portions(NOTHING), plan.scorer))
        finally:
            ray.shutdown()

"""Scoring while machines of a real cluster come and go."""

from __future__ import annotations

import pyarrow as pa
import pytest
import ray

from cluster.label_dataset import Labelled
from cluster.ray_scoring import RayScoring, ScorerPool
from cluster.scoring_engines import ScoringEngineConfig
from cluster.scoring_plan import make_scoring_plan
from tests.checkpoints import trained, write_trained
from tests.clusters import running_cluster
from tests.scoring import scoring_config, write_features

pytestmark = pytest.mark.heavy


def test_a_machine_that_comes_gets_work_and_one_that_goes_costs_nothing(tmp_path):
    features = write_features(tmp_path / "features", {f"{n:02d}": range(n * 5, n * 5 + 5) for n in range(24)})
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    plan = make_scoring_plan(scoring_config(features, checkpoint, tmp_path / "labels", rows_per_shard=5))
    portions = plan.portions(Labelled(pa.chunked_array([], pa.string()), pa.chunked_array([], pa.string())))
    with running_cluster() as nodes:
        first = nodes.add()
        RayScoring(ScoringEngineConfig(address=nodes.address))
        try:
            pool = ScorerPool(portions, plan.scorer, None)
            outcomes = pool.outcomes()
            found = [next(outcomes)]
            assert len(pool.actors) == 1
            nodes.add()
            found.append(next(outcomes))
            assert len(pool.actors) == 2
            found.append(next(outcomes))
            nodes.kill(first)
            found += outcomes
            pool.close()
        finally:
            ray.shutdown()
    assert sorted(scored.number for scored in found) == list(range(24))
    assert all(scored.shard and not scored.unread for scored in found)

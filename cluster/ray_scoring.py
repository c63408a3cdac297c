"""Scoring on a Ray cluster: actors, one a GPU or a core, each with two portions, so that none waits for the driver.

Scoring a portion changes nothing outside the actor. One that is lost with its machine is therefore started again
elsewhere by Ray, which also gives it its portions again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.engines import EngineError
from cluster.ray_cluster import cluster_size, join_cluster
from cluster.scorer import Portion, ScoredPortion, Scorer
from cluster.scoring_engines import ScoringEngineConfig
from schemas.runs import Machine

ON_HAND = 2
ATTEMPTS = 3


class ScorerActor:
    """A scorer in a process of its own."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        scorer.setup()

    def score(self, portion: Portion) -> ScoredPortion:
        """Score a portion."""
        return self._scorer(portion)


class RayScoring:
    """Scores on a cluster; starts one on this machine where there is none."""

    def __init__(self, config: ScoringEngineConfig) -> None:
        self._config = config
        self._started_cluster = join_cluster(config.address)

    def machine(self) -> Machine:
        """The cluster as it is now."""
        size = cluster_size()
        return Machine(engine="ray", nodes=size.nodes, cpus=size.cpus, gpus=size.gpus)

    def run(self, portions: Sequence[Portion], scorer: Scorer) -> Iterator[ScoredPortion]:
        """See `ScoringEngine.run`."""
        size = cluster_size()
        wanted = self._config.workers or size.gpus or size.cpus
        needs = {"num_gpus": 1} if size.gpus else {"num_cpus": 1}
        # It may have to wait for a machine that is on its way: there is always one.
        number = max(min(wanted, len(portions)), 1)
        remote = ray.remote(ScorerActor).options(**needs, max_restarts=ATTEMPTS, max_task_retries=ATTEMPTS)
        reference = ray.put(scorer)
        actors = [remote.remote(reference) for _ in range(number)]
        try:
            yield from _scored(actors, deque(portions))
        except RayError as error:
            advice = "What is committed stays; mend this and run again"
            raise EngineError(f"a worker failed, through no file's fault: {error}\n{advice}") from error
        finally:
            for actor in actors:
                ray.kill(actor)

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._started_cluster:
            ray.shutdown()


def _scored(actors: list[Any], waiting: deque[Portion]) -> Iterator[ScoredPortion]:
    on_hand: dict[Any, Any] = {}  # reference → its actor
    for _ in range(ON_HAND):
        for actor in actors:
            if waiting:
                on_hand[actor.score.remote(waiting.popleft())] = actor
    while on_hand:
        (ready,), _ = ray.wait(list(on_hand), num_returns=1)
        actor = on_hand.pop(ready)
        scored: ScoredPortion = ray.get(ready)
        if waiting:
            on_hand[actor.score.remote(waiting.popleft())] = actor
        yield scored


def make_engine(config: ScoringEngineConfig) -> RayScoring:
    """See `cluster.scoring_engines`."""
    return RayScoring(config)

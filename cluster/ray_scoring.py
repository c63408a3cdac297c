"""Scoring on a Ray cluster: actors, one a GPU or a core, each with two portions, so that none waits for the driver.

Unless their number is given, there are as many as the cluster has room for, and a machine that is added gets its own.
Scoring a portion changes nothing outside the actor. One that is lost with its machine is therefore started again
elsewhere by Ray, which also gives it its portions again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.engines import EngineError
from cluster.ray_cluster import ClusterWatch, cluster_size, join_cluster
from cluster.scorer import Portion, ScoredPortion, Scorer
from cluster.scoring_engines import ScoringEngineConfig
from schemas.runs import Machine

ON_HAND = 2
ATTEMPTS = 3
POLL_SECONDS = 1.0


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
        with closing(ScorerPool(portions, scorer, self._config.workers)) as pool:
            try:
                yield from pool.outcomes()
            except RayError as error:
                advice = "What is committed stays; mend this and run again"
                raise EngineError(f"a worker failed, through no file's fault: {error}\n{advice}") from error

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._started_cluster:
            ray.shutdown()


class ScorerPool:
    """The actors of one run, at most `workers` of them; as many as there is room for by default."""

    def __init__(self, portions: Sequence[Portion], scorer: Scorer, workers: int | None) -> None:
        self.actors: list[Any] = []
        self._workers = workers
        self._waiting = deque(portions)
        self._on_hand: dict[Any, Any] = {}  # reference of a portion's outcome → its actor
        self._watch = ClusterWatch()
        self._is_on_gpus = self._watch.size.gpus > 0
        self._scorer = ray.put(scorer)

    def outcomes(self) -> Iterator[ScoredPortion]:
        """Those of all portions, as they come."""
        self._follow_cluster()
        while self._on_hand:
            ready, _ = ray.wait(list(self._on_hand), num_returns=1, timeout=POLL_SECONDS)
            for reference in ready:
                actor = self._on_hand.pop(reference)
                scored: ScoredPortion = ray.get(reference)
                self._give(actor)
                yield scored
            if self._watch.look():
                self._follow_cluster()

    def close(self) -> None:
        """Stop the actors."""
        for actor in self.actors:
            ray.kill(actor)

    def _follow_cluster(self) -> None:
        """Start actors for which there is room and work; one at least, which may wait for a machine to come."""
        room = self._workers or (self._watch.size.gpus if self._is_on_gpus else self._watch.size.cpus)
        needs = {"num_gpus": 1} if self._is_on_gpus else {"num_cpus": 1}
        kind = ray.remote(ScorerActor).options(**needs, max_restarts=ATTEMPTS, max_task_retries=ATTEMPTS)
        number = min(max(room, 1) - len(self.actors), len(self._waiting))
        new = [kind.remote(self._scorer) for _ in range(number)]
        self.actors += new
        for _ in range(ON_HAND):
            for actor in new:
                self._give(actor)

    def _give(self, actor: Any) -> None:
        if self._waiting:
            self._on_hand[actor.score.remote(self._waiting.popleft())] = actor


def make_engine(config: ScoringEngineConfig) -> RayScoring:
    """See `cluster.scoring_engines`."""
    return RayScoring(config)

"""Scoring on a Ray cluster: actors, one a GPU or a core, each with two portions, so that none waits for the driver.

Unless their number is given, there are as many as the cluster has room for, and a machine that is added gets its own.
Scoring a portion changes nothing outside the actor: what one had in hand that is lost, others do again. Ray's own
restarts will not do, because they are used up before it knows that a machine has gone.

Where there is room for none, because the cluster has shrunk or others use it, the run says so, and gives up in time: it
holds the labels' lease.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from cluster.engines.base import EngineError
from cluster.engines.options import EngineOptions
from cluster.engines.ray_cluster import ClusterWatch, cluster_size, join_cluster
from cluster.scoring.feature_scorer import Portion, Scorer
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine

ON_HAND = 2
MAX_LOSSES = 5  # of workers with the same portion at their head, or before they had any
NO_PORTION = -1
POLL_SECONDS = 1.0
WARN_SECONDS = 60.0

logger = logging.getLogger("framemill")


class ScorerActor:
    """A scorer in a process of its own."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        scorer.setup()

    def greet(self) -> None:
        """Answer, once it has started."""

    def score(self, portion: Portion) -> ScoredPortion:
        """Score a portion."""
        return self._scorer(portion)


class RayScoring:
    """Scores on a cluster; starts one on this machine where there is none."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._started_cluster = join_cluster(options.address)

    def machine(self) -> Machine:
        """The cluster as it is now."""
        size = cluster_size()
        return Machine(engine="ray", nodes=size.nodes, cpus=size.cpus, gpus=size.gpus)

    def run(self, portions: Sequence[Portion], scorer: Scorer) -> Iterator[ScoredPortion]:
        """See `ScoringEngine.run`."""
        with closing(ScorerPool(portions, scorer, self._options)) as pool:
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
    """The actors of one run. One that has not started yet, because no machine has room for it, is given nothing."""

    def __init__(self, portions: Sequence[Portion], scorer: Scorer, options: EngineOptions) -> None:
        self.actors: list[Any] = []  # that have started
        self._starting: dict[Any, Any] = {}  # by reference of their greeting
        self._options = options
        self._waiting = deque(portions)
        self._on_hand: dict[Any, tuple[Any, Portion]] = {}  # by reference of the outcome: its actor, what it is of
        self._losses: Counter[int] = Counter()
        self._watch = ClusterWatch()
        self._is_on_gpus = self._watch.size.gpus > 0
        self._scorer = ray.put(scorer)
        self._idle_since = time.monotonic()  # since when there has been no actor
        self._has_warned = False

    def outcomes(self) -> Iterator[ScoredPortion]:
        """Those of all portions, as they come. Raises `EngineError` where the cluster has had no room for too long."""
        self._follow_cluster()
        while self._on_hand or self._waiting:
            self._feed()
            references = [*self._on_hand, *self._starting]
            if references:
                ready, _ = ray.wait(references, num_returns=1, timeout=POLL_SECONDS)
                yield from self._collect(ready)
            else:
                time.sleep(0.1)  # all workers are lost, and new ones start once a second
            if self._watch.look():
                self._follow_cluster()
                self._mind_idleness()

    def close(self) -> None:
        """Stop the actors."""
        for actor in [*self.actors, *self._starting.values()]:
            ray.kill(actor)

    def _follow_cluster(self) -> None:
        """Start actors for which there is room and work; one at least, which may wait for a machine to come."""
        room = self._options.workers or self._places()
        needs = {"num_gpus": 1} if self._is_on_gpus else {"num_cpus": 1}
        number = min(max(room, 1) - len(self.actors) - len(self._starting), len(self._waiting))
        for _ in range(number):
            actor = ray.remote(ScorerActor).options(**needs).remote(self._scorer)
            self._starting[actor.greet.remote()] = actor

    def _places(self) -> int:
        """How many actors the cluster could hold, if nobody else used it."""
        return self._watch.size.gpus if self._is_on_gpus else self._watch.size.cpus

    def _mind_idleness(self) -> None:
        """Say so when nothing can work, and give up where that does not end."""
        now = time.monotonic()
        if self.actors:
            self._idle_since, self._has_warned = now, False
            return
        idle_seconds, wait_seconds = now - self._idle_since, self._options.cluster_wait
        place = "GPU" if self._is_on_gpus else "CPU core"
        reason = "all are in use" if self._places() else "there is none"
        if idle_seconds > wait_seconds:
            raise EngineError(
                f"no worker for {idle_seconds:.0f} s: the cluster has no free {place}, {reason}; "
                "what is committed stays: run again once there is room"
            )
        if not self._has_warned and idle_seconds > min(WARN_SECONDS, wait_seconds / 2):
            self._has_warned = True
            logger.warning(f"no worker for {idle_seconds:.0f} s: waiting for a free {place} in the cluster; {reason}")

    def _feed(self) -> None:
        held = Counter(id(actor) for actor, _ in self._on_hand.values())
        for depth in range(ON_HAND):
            for actor in self.actors:
                if self._waiting and held[id(actor)] <= depth:
                    portion = self._waiting.popleft()
                    self._on_hand[actor.score.remote(portion)] = (actor, portion)

    def _collect(self, ready: list[Any]) -> Iterator[ScoredPortion]:
        for reference in ready:
            try:
                answer = ray.get(reference)
            except RayActorError as error:
                self._lose(reference, error)
                continue
            if reference in self._starting:
                self.actors.append(self._starting.pop(reference))
            else:
                del self._on_hand[reference]
                yield answer

    def _lose(self, reference: Any, error: RayActorError) -> None:
        """Take back what an actor had in hand that can no longer be reached; the first of it may be to blame."""
        starting = self._starting.pop(reference, None)
        actor, suspect = (starting, None) if starting is not None else self._on_hand[reference]
        blamed = NO_PORTION if suspect is None else suspect.number
        self._losses[blamed] += 1
        if self._losses[blamed] >= MAX_LOSSES:
            raise error
        lost = {reference: portion for reference, (holder, portion) in self._on_hand.items() if holder is actor}
        logger.warning(f"a worker is lost; {len(lost)} portions go to others")
        for held, portion in reversed(lost.items()):
            del self._on_hand[held]
            self._waiting.appendleft(portion)
        self.actors = [other for other in self.actors if other is not actor]
        ray.kill(actor)  # one that only could not be reached may still live


def make_engine(options: EngineOptions) -> RayScoring:
    """See `cluster.engines.scoring_engines`."""
    return RayScoring(options)

"""The Ray engine: workers that decode, spread over a cluster, and the networks beside them or in a pool of their own.

Together (no GPU): each worker decodes and embeds, single-threaded, one a core. Apart: workers on CPU cores decode and
send their frames to a pool of embedders on GPUs, which fills its batches across videos
(`cluster.engines.network_pool`). The worker is the same; only where its networks are differs.

Each worker is an actor with two handfuls of tasks, so that it never waits for the driver, which holds nothing but tasks
in flight. Unless their number is given, there are as many workers as cores, and they follow the cluster: a machine that
is added gets its own; one that was told that it will have to go finishes what it has and is given no more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from cluster.engines.base import EngineError
from cluster.engines.network_pool import EmbedderPool
from cluster.engines.options import EngineOptions
from cluster.engines.ray_cluster import ClusterWatch, FileCopies, cluster_size, join_cluster
from cluster.engines.ray_workers import LostWorkers, Slot
from cluster.engines.tasks import Outcome, TaskQueue
from cluster.engines.worker import Worker
from schemas.records import Machine

HANDFULS = 2
HANDFUL_SECONDS = 1.0
HANDFULS_PER_SECOND = 200  # that the driver can take; where there are more workers than that, handfuls last longer
POLL_SECONDS = 1.0
WARN_SECONDS = 60.0
GUARD_SECONDS = 5.0

logger = logging.getLogger("framemill")


class RayEngine:
    """Runs tasks on a Ray cluster; starts one on this machine where there is none."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._started_cluster = join_cluster(options.address)

    def machine(self) -> Machine:
        """The cluster as it is now."""
        size = cluster_size()
        return Machine(engine="ray", nodes=size.nodes, cpus=size.cpus, gpus=size.gpus)

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._started_cluster:
            ray.shutdown()

    def file_copies(self, worker: Worker[Any]) -> FileCopies:
        """What machines need that join; one cluster of our own has no other than this."""
        return FileCopies.of(worker.files(), needed=not self._started_cluster)

    def run(self, queue: TaskQueue, worker: Worker[Any]) -> Iterator[Outcome]:
        """See `Engine.run`."""
        files = self.file_copies(worker)
        embedders: EmbedderPool | None = None
        gpus = cluster_size().gpus
        if self._options.pools == "apart" or (self._options.pools == "auto" and gpus):
            embedders = EmbedderPool(worker.stage, files, self._options.embed_workers or max(gpus, 1))
            worker = worker.with_stage(embedders.proxied(worker.stage))
        run = _Run(self._options, queue, ray.put((worker, files)), embedders.cpus if embedders else 0)
        try:
            yield from run.outcomes()
        finally:
            run.close()
            if embedders is not None:
                embedders.close()


class _Run:
    """The workers of one run."""

    def __init__(self, options: EngineOptions, queue: TaskQueue, worker_and_files: Any, embedder_cpus: int) -> None:
        self._options = options
        self._queue = queue
        self._worker_and_files = worker_and_files
        self._embedder_cpus = embedder_cpus
        self._watch = ClusterWatch()
        self._lost = LostWorkers(self._watch, queue, options.time_limit)
        self._slots: list[Slot] = []
        self._idle_since = time.monotonic()  # since when no worker has been ready
        self._has_warned = False

    def outcomes(self) -> Iterator[Outcome]:
        """See `Engine.run`."""
        self._follow_cluster()
        while not self._queue.is_over:
            if self._watch.look():
                self._follow_cluster()
                self._mind_idleness()
            self._hand_out()
            self._kill_overdue()
            yield from self._collect(self._wait())
            yield from self._lost.settle()

    def close(self) -> None:
        """Stop the workers."""
        for slot in self._slots:
            ray.kill(slot.actor)

    @property
    def _handful_seconds(self) -> float:
        """How long a worker may take tasks out of what it was given at once."""
        return max(HANDFUL_SECONDS, len(self._slots) / HANDFULS_PER_SECOND)

    def _follow_cluster(self) -> None:
        """Let go of workers whose machines have gone or will go; start as many as there are cores for."""
        for slot in list(self._slots):
            if not slot.node_id or not self._watch.is_leaving(slot.node_id):
                continue
            if slot.node_id in self._watch.draining:
                self._queue.nodes_lost.add(slot.node_id)
                self._retire(slot)
            else:
                self._slots.remove(slot)
                self._lost.add(slot)
        staying = [slot for slot in self._slots if not slot.is_leaving]
        wanted = self._options.workers or max(1, self._watch.size.cpus - self._embedder_cpus)
        self._slots += [Slot.start(self._worker_and_files) for _ in range(wanted - len(staying))]
        surplus = sorted(staying, key=lambda slot: (slot.is_ready, len(slot.on_hand)))
        for slot in surplus[: max(len(staying) - wanted, 0)]:
            self._dismiss(slot)

    def _retire(self, slot: Slot) -> None:
        if not slot.is_leaving:
            slot.is_leaving = True
            logger.warning(
                f"machine {slot.node_id[:8]} was told that it will have to go: its workers get no more tasks"
            )
        if not slot.on_hand:
            self._slots.remove(slot)
            ray.kill(slot.actor)

    def _dismiss(self, slot: Slot) -> None:
        """Free a worker's core at once: an embedder that was started again may need it before the worker can go on."""
        self._queue.give_back(slot.tasks)
        self._slots.remove(slot)
        ray.kill(slot.actor)

    def _mind_idleness(self) -> None:
        """Say so when nothing can work; give up where the cluster has lost all that could."""
        now = time.monotonic()
        if any(slot.is_ready for slot in self._slots):
            self._idle_since, self._has_warned = now, False
            return
        idle_seconds = now - self._idle_since
        if not self._watch.size.cpus and idle_seconds > self._options.cluster_wait:
            raise EngineError(
                f"the cluster has had no machine with a CPU core for {idle_seconds:.0f} s (--cluster-wait); "
                "what is finished is committed: add machines and run again"
            )
        if not self._has_warned and idle_seconds > min(WARN_SECONDS, self._options.cluster_wait / 2):
            self._has_warned = True
            reason = "all are in use by others" if self._watch.size.cpus else "there is none"
            logger.warning(f"no worker for {idle_seconds:.0f} s: waiting for a free CPU core in the cluster; {reason}")

    def _hand_out(self) -> None:
        for depth in range(HANDFULS):
            for slot in self._slots:
                if slot.is_ready and not slot.is_leaving and len(slot.on_hand) == depth:
                    handful = self._queue.take_handful(slot.capacity)
                    if not handful:
                        return
                    slot.give(handful, self._handful_seconds)

    def _kill_overdue(self) -> None:
        """End the workers that are stuck for longer than their own guard (`engines.task_guard`) would have allowed."""
        patience_seconds = self._handful_seconds + 2 * self._options.time_limit + GUARD_SECONDS
        for slot in self._slots:
            if slot.on_hand and not slot.is_overdue and time.monotonic() > slot.head_since + patience_seconds:
                slot.is_overdue = True
                slot.kill()

    def _wait(self) -> set[Any]:
        references = [reference for slot in self._slots for reference in slot.references]
        if not references:
            time.sleep(0.05)  # all that is left waits for its next attempt
            return set()
        ready, rest = ray.wait(references, timeout=POLL_SECONDS, fetch_local=False)
        if rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False)[0]
        return set(ready)

    def _collect(self, ready: set[Any]) -> list[Outcome]:
        """The final outcomes among what has come in."""
        final: list[Outcome | None] = []
        for slot in list(self._slots):
            was_ready = slot.is_ready
            try:
                outcomes, left = slot.collect(ready)
            except RayError as error:
                if was_ready and not isinstance(error, RayActorError):
                    raise EngineError(f"a worker failed, through no video's fault: {error}") from error
                self._slots.remove(slot)
                self._lost.add(slot, error)
                continue
            final += [self._queue.settle(outcome) for outcome in outcomes]
            self._queue.give_back(left)
            if slot.is_ready and not was_ready:
                self._lost.note_start()
            if slot.is_leaving and not slot.on_hand:
                self._slots.remove(slot)
                ray.kill(slot.actor)
        return [outcome for outcome in final if outcome is not None]


def make_engine(options: EngineOptions, staging: str) -> RayEngine:
    """See `cluster.engines.base`."""
    return RayEngine(options)

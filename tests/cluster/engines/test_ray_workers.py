"""Workers as actors: the batches that they take, and what their queue learns when they are lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from typing_extensions import override

from cluster.engines.base import EngineError, Resources, Worker, WorkerLoss
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.ray_cluster import ClusterWatch, FileCopies, join_cluster
from cluster.engines.ray_workers import MAX_BATCH_TASKS, MAX_FAILED_STARTS, LostWorkers, WorkerHandle

ONE_CORE = {"num_cpus": 1}


@dataclass(frozen=True)
class Pause:
    number: int
    seconds: float = 0.0

    @property
    def key(self) -> str:
        return str(self.number)


class Sleeper(Worker[Pause, int]):
    """Sleeps as long as its tasks say."""

    def __init__(self, *, can_start: bool = True) -> None:
        self._can_start = can_start

    @property
    @override
    def resources(self) -> Resources:
        return Resources()

    @property
    @override
    def outcome_type(self) -> object:
        return int

    @override
    def setup(self) -> None:
        if not self._can_start:
            raise OSError("no room for the networks")

    @override
    def __call__(self, task: Pause) -> int:
        time.sleep(task.seconds)
        return task.number


class Losses(PortionQueue[Pause, int]):
    """Keeps what it is told of lost workers."""

    def __init__(self, pauses: list[Pause]) -> None:
        super().__init__(pauses)
        self.losses: list[WorkerLoss] = []

    @override
    def settle_lost(self, tasks: Sequence[Pause], loss: WorkerLoss) -> list[int]:
        self.losses.append(loss)
        return super().settle_lost(tasks, loss)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    join_cluster(None)
    yield
    ray.shutdown()


def started(worker: Sleeper) -> WorkerHandle[Pause, int]:
    return WorkerHandle.start(ray.put((worker, FileCopies({}))), ONE_CORE)


@pytest.fixture
def worker() -> Iterator[WorkerHandle[Pause, int]]:
    handle = started(Sleeper())
    while not handle.is_ready:
        assert handle.collect(answers_of(handle)) == ([], [])
    yield handle
    ray.kill(handle.actor)


def answers_of(worker: WorkerHandle[Pause, int]) -> set[object]:
    """Those of its references that have been answered, one at least."""
    ready, _ = ray.wait(worker.references, timeout=60)
    return set(ready)


def failure_of(worker: WorkerHandle[Pause, int]) -> ray.exceptions.RayError:
    """What is raised once the worker has failed."""
    while True:
        try:
            worker.collect(answers_of(worker))
        except ray.exceptions.RayError as error:
            return error


def test_a_worker_that_is_ready_is_known_by_machine_and_process(worker: WorkerHandle[Pause, int]) -> None:
    assert worker.node_id == ray.get_runtime_context().get_node_id()
    os.kill(worker.process_id, 0)


def test_batches_grow_while_they_are_completed_in_time(worker: WorkerHandle[Pause, int]) -> None:
    expected = 1
    for _ in range(9):
        batch = [Pause(number) for number in range(worker.capacity)]
        worker.give(batch, seconds=60)
        assert worker.tasks == batch
        assert worker.collect(answers_of(worker)) == (list(range(len(batch))), [])
        expected = min(2 * expected, MAX_BATCH_TASKS)
        assert worker.capacity == expected


def test_what_is_not_begun_in_time_goes_back(worker: WorkerHandle[Pause, int]) -> None:
    worker.give([Pause(0, 0.5), Pause(1), Pause(2)], seconds=0.1)
    assert worker.collect(answers_of(worker)) == ([0], [Pause(1), Pause(2)])
    assert worker.capacity == 1


def test_the_second_batch_waits_for_the_first(worker: WorkerHandle[Pause, int]) -> None:
    worker.give([Pause(0, 0.2)], seconds=60)
    worker.give([Pause(1)], seconds=60)
    assert worker.tasks == [Pause(0, 0.2), Pause(1)]
    found: list[int] = []
    while worker.on_hand:
        found += worker.collect(answers_of(worker))[0]
    assert found == [0, 1]


def test_answers_that_ray_tells_of_in_no_order_are_taken_in_order(worker: WorkerHandle[Pause, int]) -> None:
    for number in range(2):
        worker.give([Pause(number)], seconds=60)
    (first, _), (second, _) = worker.on_hand
    ray.wait([first, second], num_returns=2, timeout=60)
    assert worker.collect({second}) == ([0, 1], [])


def test_a_stuck_worker_is_killed_by_force(worker: WorkerHandle[Pause, int]) -> None:
    os.kill(worker.process_id, signal.SIGSTOP)
    worker.kill()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker.process_id}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker.process_id}").exists()


def test_a_worker_that_dies_takes_the_blame_for_its_batch_in_progress(worker: WorkerHandle[Pause, int]) -> None:
    queue: PortionQueue[Pause, int] = PortionQueue([Pause(0, 60), Pause(1)])
    for _ in range(2):
        worker.give(queue.take_batch(1), seconds=60)
    os.kill(worker.process_id, signal.SIGKILL)
    lost = LostWorkers(ClusterWatch(), queue, Resources())
    lost.add(worker, failure_of(worker))
    assert lost.settle() == []
    assert queue.take_batch(1) == []  # it may yet turn out that the machine is lost
    while not (batch := queue.take_batch(1)):
        assert lost.settle() == []
        time.sleep(0.1)
    assert batch == [Pause(0, 60)]
    assert queue.take_batch(1) == [Pause(1)]
    assert (queue.retried, queue.workers_lost, queue.nodes_lost) == ({"0"}, 1, set())


@pytest.mark.parametrize(
    ("verdict", "loss"), [("time", {"exceeded_seconds": 5.0}), ("memory", {"exceeded_bytes": 7}), ("", {})]
)
def test_a_worker_that_its_watchdog_has_killed_is_lost_for_that_reason(
    worker: WorkerHandle[Pause, int], verdict: str, loss: dict[str, float]
) -> None:
    queue = Losses([Pause(0, 60)])
    worker.give(queue.take_batch(1), seconds=60)
    Path(worker.verdict_file).write_text(verdict)
    os.kill(worker.process_id, signal.SIGKILL)
    lost = LostWorkers(ClusterWatch(), queue, Resources(time_limit_seconds=5.0, memory_limit_bytes=7))
    lost.add(worker, failure_of(worker))
    while not queue.losses:
        lost.settle()
        time.sleep(0.1)
    (found,) = queue.losses
    assert found == WorkerLoss(found.error, **loss)
    Path(worker.verdict_file).unlink(missing_ok=True)


def test_a_lost_machine_is_to_blame_for_its_workers(worker: WorkerHandle[Pause, int]) -> None:
    queue: PortionQueue[Pause, int] = PortionQueue([Pause(0, 60)])
    worker.give(queue.take_batch(1), seconds=60)
    lost = LostWorkers(ClusterWatch(), queue, Resources())
    lost.add(worker)
    assert lost.settle() == []
    assert queue.take_batch(1) == [Pause(0, 60)]
    assert (queue.retried, queue.workers_lost, queue.nodes_lost) == (set(), 1, {worker.node_id})


def test_where_no_worker_can_start_the_run_ends_with_the_reason() -> None:
    queue: PortionQueue[Pause, int] = PortionQueue([Pause(0)])
    lost = LostWorkers(ClusterWatch(), queue, Resources())

    def lose(number: int) -> None:
        worker = started(Sleeper(can_start=False))
        lost.add(worker, failure_of(worker))
        while queue.workers_lost < number:
            lost.settle()
            time.sleep(0.1)

    for number in range(1, MAX_FAILED_STARTS):
        lose(number)
    with pytest.raises(EngineError, match=r"(?s)3 workers in a row could not start: .*no room for the networks"):
        lose(MAX_FAILED_STARTS)

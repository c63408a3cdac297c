"""The local engine: tasks are carried out on this machine, one after the other. For small runs, and as the reference.

A worker runs in a child process, as hostile files demand: one that crashes or hangs the decoder costs that process, and
another takes its place (`cluster.engines.task_process`). A worker that shares its process (`Resources.shares_process`)
reads nothing hostile: it is called in this one, from a thread for each core.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from typing_extensions import override

from cluster.engines.base import (
    ONE_CORE,
    Engine,
    EngineError,
    OutcomeT,
    Resources,
    TaskT,
    Worker,
    WorkerLoss,
    WorkQueue,
    usable_cores,
)
from cluster.engines.gpus import gpu_count
from cluster.engines.guarded_processes import GuardedProcesses
from cluster.engines.options import EngineOptions
from cluster.engines.task_process import TaskProcess, child_for
from schemas.records import Machine

POLL_SECONDS = 0.05


class LocalEngine(Engine):
    """Runs tasks in one child process, or here in up to `threads` threads: by default one for each core."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or usable_cores()
        self._child: GuardedProcesses[None] | None = None  # started ahead of the first run

    def begin(self, imports: Sequence[str]) -> None:
        """Start the child process of the first run, which imports these modules meanwhile."""
        self._child = child_for(imports)
        self._child.start()

    @override
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        return Machine(engine="local", nodes=1, cpus=usable_cores(), gpus=gpu_count() if resources.gpus else 0)

    @override
    def run(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
        if not worker.resources.shares_process:
            child, self._child = self._child, None
            yield from _run_in_child(queue, worker, child)
            return
        try:
            yield from self._run_threads(queue, worker)
        except (RuntimeError, MemoryError) as error:  # torch's own among them
            raise EngineError(f"a worker failed, through no fault of its input: {error}") from error

    @override
    def close(self) -> None:
        if self._child is not None:
            self._child.close()

    def _run_threads(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
        import torch

        running: set[Future[OutcomeT]] = set()
        with _restored_threads():
            worker.setup()
            pool = ThreadPoolExecutor(self._threads, "worker", initializer=torch.set_num_threads, initargs=(1,))
            try:
                while not queue.is_over:
                    # One more than there are threads, so that none waits.
                    while len(running) <= self._threads and (batch := queue.take_batch(1)):
                        running |= {pool.submit(worker, task) for task in batch}
                    if not running:
                        time.sleep(POLL_SECONDS)  # all remaining tasks wait for their next attempt
                        continue
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        outcome = queue.settle(future.result())
                        if outcome is not None:
                            yield outcome
            finally:
                pool.shutdown(cancel_futures=True)


def _run_in_child(
    queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT], child: GuardedProcesses[None] | None
) -> Generator[OutcomeT, None, None]:
    with TaskProcess.of(worker, child) as process:
        while not queue.is_over:
            batch = queue.take_batch(1)
            if not batch:
                time.sleep(POLL_SECONDS)  # all remaining tasks wait for their next attempt
            for task in batch:
                yield from _settle(queue, task, process.carry_out(task))


def _settle(queue: WorkQueue[TaskT, OutcomeT], task: TaskT, outcome: OutcomeT | WorkerLoss) -> list[OutcomeT]:
    """The outcomes that are final with this one."""
    if isinstance(outcome, WorkerLoss):
        queue.workers_lost += 1
        return queue.settle_lost([task], outcome)
    final = queue.settle(outcome)
    return [] if final is None else [final]


@contextmanager
def _restored_threads() -> Iterator[None]:
    """Whatever number of threads torch is given inside, it has its own again afterwards."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_engine(options: EngineOptions, staging: str) -> LocalEngine:
    """The local engine; it needs no staging."""
    return LocalEngine(options.workers)

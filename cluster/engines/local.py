"""The local engine: tasks are carried out in this process. For debugging, small runs, and as the reference.

Videos are processed one after the other: a file that hangs or kills the decoder hangs or kills this process, because
limits on time need another process to enforce them. A worker that shares its process (`Resources.shares_process`) is
called from a thread for each core.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import torch
from typing_extensions import override

from cluster.engines.base import (
    ONE_CORE,
    Engine,
    EngineError,
    OutcomeT,
    Resources,
    TaskT,
    Worker,
    WorkQueue,
    usable_cores,
)
from cluster.engines.options import EngineOptions
from schemas.records import Machine

POLL_SECONDS = 0.05


class LocalEngine(Engine):
    """Runs tasks in this process, with up to `threads` threads: by default one for each core."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or usable_cores()

    @override
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        return Machine(
            engine="local", nodes=1, cpus=usable_cores(), gpus=torch.cuda.device_count() if resources.gpus else 0
        )

    @override
    def run(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
        outcomes = self._run_threads if worker.resources.shares_process else _run_sequentially
        try:
            yield from outcomes(queue, worker)
        except (RuntimeError, MemoryError) as error:  # torch's own among them
            raise EngineError(f"a worker failed, through no fault of its input: {error}") from error

    @override
    def close(self) -> None:
        pass  # nothing outlives a run

    def _run_threads(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
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


def _run_sequentially(
    queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
) -> Generator[OutcomeT, None, None]:
    worker.setup()
    while not queue.is_over:
        batch = queue.take_batch(1)
        if not batch:
            time.sleep(POLL_SECONDS)  # all remaining tasks wait for their next attempt
        for task in batch:
            outcome = queue.settle(worker(task))
            if outcome is not None:
                yield outcome


@contextmanager
def _restored_threads() -> Iterator[None]:
    """Whatever number of threads torch is given inside, it has its own again afterwards."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_engine(options: EngineOptions, staging: str) -> LocalEngine:
    """The local engine; it needs no staging."""
    return LocalEngine(options.workers)

"""A worker in a child process that may die: for engines whose own processes must survive what a task does.

A decoder that crashes, hangs or is out of memory takes the child with it, and a new one gets the next task. What the
child answers is not trusted (`cluster.engines.wire`).
"""

from __future__ import annotations

import json
import math
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import Any, Self

from cluster.engines.base import EngineError, Resources, Worker, WorkerLoss
from cluster.engines.guarded_processes import GuardedProcesses, ProcessFailure, Request, Response, serve
from cluster.engines.pickled_file import PickledFile
from cluster.engines.task_guard import GUARD_SECONDS
from cluster.engines.wire import pack, unpack
from cluster.storage.redaction import redacted

MODULE = "cluster.engines.task_process"
SETUP_SECONDS = 900.0  # weights may have to be fetched
MAX_STARTS = 3  # in a row
MAX_OUTCOME_BYTES = 1 << 30
ERROR_CHARACTERS = 2_000


class TaskProcess:
    """A child that carries out one task after another; it starts with the first, unless `child` has started before.

    `outcome_type` is that of the worker's outcomes. `on_wait` is called about once a second while a task is in work; an
    exception from it ends the child.
    """

    def __init__(
        self,
        worker: PickledFile,
        resources: Resources,
        outcome_type: Any,
        child: GuardedProcesses[None] | None = None,
    ) -> None:
        self._worker = worker
        self._resources = resources
        self._outcome_type = outcome_type
        self._child = child or child_for(())
        self._is_ready = False

    @classmethod
    @contextmanager
    def of(cls, worker: Worker[Any, Any], child: GuardedProcesses[None] | None = None) -> Iterator[Self]:
        """A child for a worker that is in no file yet."""
        with TemporaryDirectory(prefix="framemill-") as folder:
            file = PickledFile.write(f"{folder}/worker", worker)
            with closing(cls(file, worker.resources, worker.outcome_type, child)) as process:
                yield process

    def carry_out(self, task: Any, on_wait: Callable[[], None] = lambda: None) -> Any:
        """The task's outcome, or the `WorkerLoss` that it caused.

        Raises `EngineError` where the worker cannot start, or raises an exception.
        """
        self.start(on_wait)
        limit_seconds = self._resources.time_limit_seconds
        limit_seconds = math.inf if limit_seconds is None else limit_seconds + GUARD_SECONDS
        answer = self._ask(pickle.dumps(task), limit_seconds, on_wait)
        if isinstance(answer, Response) and "error" in answer.header:
            raise EngineError(f"a worker failed, through no fault of its input: {answer.header['error']}")
        if isinstance(answer, Response):
            try:
                return unpack(self._outcome_type, answer.payload)
            except ValueError as error:  # hostile data has taken the process over, or damaged its memory
                self.close()
                return WorkerLoss(str(error))
        self._is_ready = False
        return self._resources.loss("its process died", answer.value)

    def close(self) -> None:
        """End the child; the next task starts another one."""
        self._child.close()
        self._is_ready = False

    def start(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Start the child, unless it runs. Raises `EngineError` where the worker cannot start."""
        if self._is_ready:
            return
        error: Any = "its process died"
        content = json.dumps(asdict(self._worker)).encode()
        for _ in range(MAX_STARTS):
            answer = self._ask(content, SETUP_SECONDS, on_wait)
            if isinstance(answer, Response) and "error" not in answer.header:
                self._is_ready = True
                return
            error = answer.header["error"] if isinstance(answer, Response) else error
            self.close()
        raise EngineError(f"{MAX_STARTS} workers in a row could not start: {error}")

    def _ask(self, content: bytes, limit_seconds: float, on_wait: Callable[[], None]) -> Response | ProcessFailure:
        self._child.send(Request(None, content, limit_seconds, MAX_OUTCOME_BYTES))
        try:
            while not (outcomes := self._child.receive()):
                on_wait()
        except BaseException:
            self.close()
            raise
        ((_, answer),) = outcomes
        return answer


def child_for(imports: Sequence[str]) -> GuardedProcesses[None]:
    """A child, not started yet, for a worker that needs these modules."""
    return GuardedProcesses(MODULE, 1, sees_gpus=True, imports=imports)


class _Child:
    """What runs in the child: the first request names the worker's file, the others are tasks."""

    def __init__(self) -> None:
        self._worker: Any = None

    def __call__(self, content: bytes) -> Response:
        try:
            if self._worker is None:
                worker = PickledFile(**json.loads(content)).read()
                worker.setup()
                self._worker = worker
                return Response({})
            return Response({}, pack(self._worker(pickle.loads(content))))  # noqa: S301 - from the parent
        except Exception:
            return Response({"error": redacted(traceback.format_exc())[-ERROR_CHARACTERS:]})


def _end_with(parent: int) -> None:
    """End this process with its parent, whatever it is at."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    serve(_Child())

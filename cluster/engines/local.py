"""The engine without an engine: one task after the other in this process.

For debugging, and the reference that the others must equal. A file that hangs or kills the decoder hangs or kills this
process: the limits on time need another process to enforce them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from cluster.engines.base import usable_cores
from cluster.engines.options import EngineOptions
from cluster.engines.tasks import Outcome, TaskQueue
from cluster.engines.worker import Worker
from schemas.records import Machine


class LocalEngine:
    """Runs every task here and now."""

    def machine(self) -> Machine:
        """This machine; one CPU of it is used."""
        return Machine(engine="local", nodes=1, cpus=usable_cores(), gpus=0)

    def run(self, queue: TaskQueue, worker: Worker[Any]) -> Iterator[Outcome]:
        """See `Engine.run`."""
        worker.setup()
        while not queue.is_over:
            task = queue.take()
            if task is None:
                time.sleep(0.05)  # all that is left waits for its next attempt
                continue
            outcome = queue.settle(worker(task))
            if outcome is not None:
                yield outcome

    def close(self) -> None:
        """Nothing to let go of."""


def make_engine(options: EngineOptions, staging: str) -> LocalEngine:
    """See `cluster.engines.base`; there is nothing to configure."""
    return LocalEngine()

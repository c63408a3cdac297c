"""An engine that starts with its first work, so that a run which has nothing to do starts none.

A run that is certain to have work begins its start at once (`begin`), and plans meanwhile.

Whether networks are on GPUs is known before that, unless the engine is to join a cluster: only that one knows.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from typing_extensions import override

from cluster.engines.base import ONE_CORE, Engine, OutcomeT, Resources, TaskT, Worker, WorkQueue, usable_cores
from cluster.engines.gpus import gpu_count
from cluster.engines.options import LOCAL, RAY, EngineOptions, cluster_address
from cluster.engines.registry import make_engine
from cluster.runs.lifecycle import keeping_sigterm
from schemas.records import Machine


class DeferredEngine(Engine):
    """The engine that `options` name; `staging` is a place that all workers and the driver can reach."""

    def __init__(self, options: EngineOptions, staging: str = "staging") -> None:
        self._options = options
        self._staging = staging
        self._engine: Engine | None = None
        # Its thread stays until the engine is closed: what a thread has started may end with it.
        self._starter: ThreadPoolExecutor | None = None
        self._starting: Future[Engine] | None = None

    @override
    def begin(self, imports: Sequence[str]) -> None:
        if self._engine is not None or self._starting is not None:
            return  # a second start would leave the first one behind
        if self._options.engine == LOCAL:
            self.started().begin(imports)
        elif self._options.engine == RAY and cluster_address(self._options) is None:
            self._starter = ThreadPoolExecutor(1, "engine")
            self._starting = self._starter.submit(make_engine, self._options, self._staging)

    @override
    def started(self) -> Engine:
        if self._engine is None:
            with keeping_sigterm():
                self._engine = self._starting.result() if self._starting else make_engine(self._options, self._staging)
        return self._engine

    @property
    @override
    def on_gpus(self) -> bool | None:
        if self._options.engine != RAY:
            return False
        if cluster_address(self._options) is None:
            return gpu_count() > 0
        return None if self._engine is None else self._engine.on_gpus

    def expected_machine(self) -> Machine:
        """The machines that it will have. Starts the engine where only the cluster that it joins knows."""
        if self._engine is None and self._options.engine == RAY and cluster_address(self._options) is None:
            return Machine(engine=RAY, nodes=1, cpus=usable_cores(), gpus=gpu_count())
        return self.started().machine()

    @override
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        if self._engine is None:
            return Machine(engine=self._options.engine, nodes=0, cpus=0, gpus=0)
        return self._engine.machine(resources)

    @override
    def run(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
        return self.started().run(queue, worker)

    @override
    def close(self) -> None:
        if self._engine is None and self._starting is not None:
            with suppress(Exception):  # nobody has asked for it
                self._engine = self._starting.result()
        if self._engine is not None:
            self._engine.close()
        if self._starter is not None:
            self._starter.shutdown()

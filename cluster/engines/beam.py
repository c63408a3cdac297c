"""The Beam engine: one pipeline for a whole run, on whatever runner the options name.

    queue ─► tasks ─► pipeline (`cluster.engines.beam_pipeline`) ─► staging folder ─► outcomes ─► queue

Retries and failed tasks are the workers' business (`cluster.engines.beam_bundle`). The driver takes outcomes from the
staging folder while the pipeline runs, so that they can be committed meanwhile. Where a pipeline ends before all tasks
have outcomes, because its runner fails or a worker process of the local runner has died, a new one gets the rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from importlib.util import find_spec
from itertools import islice
from typing import Any

from typing_extensions import override

from cluster.engines.base import ONE_CORE, Engine, EngineError, Resources, usable_cores
from cluster.engines.beam_bundle import OutcomeBatch
from cluster.engines.beam_config import BundleConfig, PipelineConfig
from cluster.engines.beam_groups import OutcomeGroups
from cluster.engines.beam_process import PipelineProcess
from cluster.engines.beam_staging import Staging
from cluster.engines.options import EngineOptions
from cluster.engines.pickled_file import PickledFile
from cluster.engines.wire import pack, unpack
from cluster.storage.files import StorageError
from schemas.records import Machine
from schemas.text import counted

TASKS_PER_FILE = 2048
MAX_FAILED_PIPELINES = 3  # in a row, without an outcome
POLL_SECONDS = 1.0
LOCAL_RUNNER = "cluster.engines.beam_pipeline.LocalRunner"  # Beam's own default fetches a runner from the network

logger = logging.getLogger("framemill")


class BeamEngine(Engine):
    """Runs tasks as a Beam pipeline; `staging` is a folder that the driver and all workers can reach."""

    def __init__(self, options: EngineOptions, staging: str) -> None:
        if find_spec("apache_beam") is None:
            raise ImportError("--engine beam needs another library: pip install 'framemill[beam]'")
        self._staging = staging
        self._workers = options.workers or usable_cores()
        values = dict(option.split("=", 1) for option in options.beam_options)
        if "runner" not in values:
            values = {"runner": LOCAL_RUNNER, "direct_num_workers": str(self._workers), **values}
        self._options = tuple(f"--{name}={value}" for name, value in values.items())

    @override
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        # What a remote runner has is not known here.
        return Machine(engine="beam", nodes=1, cpus=self._workers, gpus=0)

    @override
    def run(self, queue: Any, worker: Any) -> Generator[Any, None, None]:
        try:
            staging = Staging(self._staging)
            try:
                with closing(OutcomeGroups()) as groups:
                    yield from _Run(queue, worker, staging, groups, self._options).outcomes()
            finally:
                staging.delete()
        except (StorageError, OSError) as error:
            raise EngineError(f"the staging folder cannot be used: {error}") from error

    @override
    def close(self) -> None:
        pass


class _Run:
    """The pipelines of one run: a single one, unless it fails."""

    def __init__(
        self, queue: Any, worker: Any, staging: Staging, groups: OutcomeGroups, options: tuple[str, ...]
    ) -> None:
        self._queue = queue
        self._staging = staging
        self._groups = groups
        self._options = options
        self._config = BundleConfig(
            staging.uri, staging.write_pickle(worker), worker.resources, worker.outcome_type, queue.queue_of
        )
        self._open: dict[str, Any] = {}  # tasks taken from the queue, by their keys
        self._early: dict[str, bytes] = {}  # outcomes of tasks that are not open; see `_take_outcomes`
        self._settled = 0

    def outcomes(self) -> Generator[Any, None, None]:
        """Final outcomes, until the queue is over."""
        failures = 0
        while self._take_tasks():
            settled_before = self._settled
            with closing(PipelineProcess(PipelineConfig(self._options, self._write_tasks(), self._config))) as pipeline:
                yield from self._follow(pipeline)
                error = pipeline.error()
            if pipeline.is_refused:
                raise EngineError(f"Beam refuses these --beam-options: {error}")
            if not self._open:
                continue
            failures = failures + 1 if self._settled == settled_before else 0
            self._queue.workers_lost += 1
            if failures >= MAX_FAILED_PIPELINES:
                raise EngineError(
                    f"{failures} pipelines in a row have ended without an outcome, the last one with: {error}\n"
                    "What is committed stays: fix this and run again"
                )
            logger.warning(f"a pipeline has ended early: {error}; {counted(len(self._open), 'task')} left to a new one")

    def _take_tasks(self) -> bool:
        """Take all tasks that can start; False if the queue is over."""
        while True:
            self._take_ready()
            if self._open or self._queue.is_over:
                return bool(self._open)
            time.sleep(POLL_SECONDS)  # all remaining tasks wait for their next attempt

    def _take_ready(self) -> dict[str, Any]:
        """Take the tasks that can start now; returns them."""
        ready: dict[str, Any] = {}
        while batch := self._queue.take_batch(1):
            ready |= {task.key: task for task in batch}
        self._open |= ready
        return ready

    def _write_tasks(self) -> tuple[PickledFile, ...]:
        tasks = iter(self._open.values())
        task_files = []
        while some := list(islice(tasks, TASKS_PER_FILE)):
            task_files.append(self._staging.write_pickle(some))
            self._staging.renew()
        return tuple(task_files)

    def _follow(self, pipeline: PipelineProcess) -> Generator[Any, None, None]:
        """Final outcomes, until the pipeline has ended and nothing more can come of it."""
        while True:
            is_running = pipeline.is_running
            self._staging.renew()
            settled_before = self._settled
            yield from self._take_outcomes()
            if not is_running and not self._early and self._settled == settled_before:
                return
            if is_running:
                pipeline.wait(POLL_SECONDS)

    def _take_outcomes(self) -> Generator[Any, None, None]:
        """What is final of the outcomes that have been written.

        Segments of a video may come before the one that they follow from, in the same listing or where the listing
        began before either was written; they wait for the next one. What has no open task then is a repetition by the
        runner, or of a video that has been given up.
        """
        waited, self._early = self._early, {}
        for contents in self._staging.take_outcomes():
            for content in contents:
                batch: OutcomeBatch = unpack(OutcomeBatch, content)
                self._queue.workers_lost += batch.workers_lost
                self._queue.retried |= set(batch.retried)
                for key, outcome in zip(batch.keys, batch.outcomes, strict=True):
                    if key in self._open:
                        yield from self._settle(key, outcome)
                    else:
                        self._early[key] = outcome
                if batch.error:
                    raise EngineError(batch.error)
        early = waited | self._early
        while following := early.keys() & self._open.keys():
            for key in sorted(following):
                self._early.pop(key, None)
                yield from self._settle(key, early.pop(key))

    def _settle(self, key: str, packed: bytes) -> Iterator[Any]:
        del self._open[key]
        self._settled += 1
        outcome = self._queue.settle(unpack(self._config.outcome_type, packed))
        follow_ups = self._take_ready()  # further segments of a long video, which the pipeline has already
        if follow_ups or key in self._groups:
            # Packed anew: without what follows from it.
            for member in self._groups.add(key, None if outcome is None else pack(outcome), follow_ups):
                yield unpack(self._config.outcome_type, member)
        elif outcome is not None:
            yield outcome


def make_engine(options: EngineOptions, staging: str) -> BeamEngine:
    """The Beam engine."""
    return BeamEngine(options, staging)

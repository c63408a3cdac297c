"""The Beam engine: the same worker as a `DoFn`, on whatever runner the options name.

Tasks are carried out in waves, one pipeline each. Workers leave their outcomes as files in a staging place that driver
and workers can both reach; the driver settles them and starts the next wave with what they led to: segments of long
videos, second attempts. Weights are read from the same path on every worker.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable
from typing import Any

from typing_extensions import override

try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise ImportError("--engine beam needs another library: pip install 'framemill[beam]'") from error

from cluster.engines.base import ONE_CORE, Engine, Resources, usable_cores
from cluster.engines.beam_outcomes import read_outcomes, write_outcomes
from cluster.engines.options import EngineOptions
from cluster.engines.tasks import Task, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.storage import files
from cluster.storage.listing import list_files
from schemas.records import Machine

WAVE_TASKS = 2048
# Runs in this process and starts worker processes; Beam's newer default fetches a runner from the network.
LOCAL_OPTIONS = {
    "runner": "FnApiRunner",
    "direct_running_mode": "multi_processing",
    "default_sdk_harness_log_level": "WARNING",
}


class BeamEngine(Engine):
    """Runs tasks as Beam pipelines."""

    def __init__(self, options: EngineOptions, staging: str) -> None:
        self._staging = staging
        self._has_run = False
        self._workers = options.workers or usable_cores()
        values = dict(text.split("=", 1) for text in options.beam_options)
        if "runner" not in values:
            values = {**LOCAL_OPTIONS, "direct_num_workers": str(self._workers), **values}
        self._options = [f"--{name}={value}" for name, value in values.items()]

    @override
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        # What a remote runner has is not known here.
        return Machine(engine="beam", nodes=1, cpus=self._workers, gpus=0)

    @override
    def run(self, queue: Any, worker: Any) -> Generator[Any, None, None]:
        self._has_run = True
        self.close()  # what a killed run left there is of no use
        while not queue.is_over:
            wave = self._take_wave(queue)
            if not wave:
                time.sleep(0.05)  # all that is left waits for its next attempt
                continue
            numbered = dict(enumerate(wave))
            with beam.Pipeline(options=PipelineOptions(self._options)) as pipeline:
                (
                    pipeline
                    | beam.Create(list(numbered.items()))
                    | beam.Reshuffle()
                    | beam.ParDo(_Work(worker, self._staging))
                )
            for file in list(list_files(self._staging)):
                for outcome in read_outcomes(files.read_bytes(file.uri), numbered):
                    final = queue.settle(outcome)
                    if final is not None:
                        yield final
                files.delete(file.uri)

    @override
    def close(self) -> None:
        if not self._has_run:
            return  # a staging place that was never used here may be that of a concurrent run
        with contextlib.suppress(FileNotFoundError):
            files.delete_folder(self._staging)

    def _take_wave(self, queue: TaskQueue) -> list[Task]:
        tasks: list[Task] = []
        while len(tasks) < WAVE_TASKS:
            task = queue.take()
            if task is None:
                break
            tasks.append(task)
        return tasks


class _Work(beam.DoFn):  # type: ignore[misc]  # Beam ships no types
    """Numbered tasks to files of outcomes, one a task."""

    def __init__(self, worker: VideoWorker[Any], staging: str) -> None:
        self._worker = worker
        self._staging = staging

    def setup(self) -> None:
        """Load the networks, once per process."""
        self._worker.setup()

    def process(self, numbered: tuple[int, Task]) -> Iterable[None]:
        """Carry out a task."""
        number, task = numbered
        content = write_outcomes([(number, self._worker(task))])
        files.write_bytes(files.join(self._staging, f"{number}.npz"), content)
        return ()


def make_engine(options: EngineOptions, staging: str) -> BeamEngine:
    """The Beam engine."""
    return BeamEngine(options, staging)

"""A Beam pipeline in a process of its own, which is the only place that needs Beam.

    files of tasks ─► tasks ─► spread ─► first look ─► remaining segments ─► spread ─► carried out

Outcomes leave it through the staging folder (`cluster.engines.beam_bundle`). The process ends with its parent, and
cancels the pipeline if its runner can do that. It ends as well when Beam's local runner loses a worker process: the
runner would wait for the others to finish what they have, and between two steps for ever.
"""

from __future__ import annotations

import os
import pickle
import shlex
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import PipelineState
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from apache_beam.transforms.window import GlobalWindows

from cluster.engines.beam_bundle import Bundle
from cluster.engines.beam_config import FAILED, REFUSED, BundleConfig, PipelineConfig
from cluster.engines.pickled_file import PickledFile
from cluster.runs.logs import configure_worker_logging

LOCAL_WORKER = "run_worker"  # Beam's name of the thread that waits for a worker process


class LocalRunner(FnApiRunner):  # type: ignore[misc]
    """Beam's runner in this process, which starts as many worker processes as `--direct_num_workers` says."""

    def __init__(self) -> None:
        worker = f"{shlex.quote(sys.executable)} -m cluster.engines.beam_worker"
        super().__init__(default_environment=SubprocessSDKEnvironment.from_command_string(worker))


class _CarryOut(beam.DoFn):  # type: ignore[misc]  # Beam ships no types
    """Carries out tasks, and yields those that follow from them."""

    def __init__(self, config: BundleConfig) -> None:
        self._config = config

    def start_bundle(self) -> None:
        self._bundle = Bundle(self._config)

    def process(self, task: Any) -> list[Any]:
        return self._bundle.add(task)

    def finish_bundle(self) -> list[Any]:
        return [GlobalWindows.windowed_value(task) for task in self._bundle.finish()]


def _pipeline(config: PipelineConfig) -> Any:
    pipeline = beam.Pipeline(options=PipelineOptions(list(config.options)))
    (
        pipeline
        | "Task files" >> beam.Create(config.task_files)
        | "Tasks" >> beam.FlatMap(_read_tasks)
        | "Spread tasks" >> beam.Reshuffle()
        | "First look" >> beam.ParDo(_CarryOut(config.bundle))
        | "Spread segments" >> beam.Reshuffle()
        | "Remaining segments" >> beam.ParDo(_CarryOut(config.bundle))
    )
    return pipeline


def _read_tasks(file: PickledFile) -> list[Any]:
    tasks: list[Any] = file.read()
    return tasks


class _Run:
    """The run of the pipeline that `parent` asks for; answers with the error that it ended with, or nothing."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent
        self._result: Any = None

    def __call__(self) -> None:
        config: PipelineConfig = pickle.loads(self._parent.recv_bytes())  # noqa: S301 - from the parent
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        threading.excepthook = self._end_with_worker
        try:
            pipeline = _pipeline(config)
        except (Exception, SystemExit) as error:  # the latter where the value of an option is invalid
            self._end(REFUSED, repr(error))
        try:
            self._result = pipeline.run()
            state = self._result.wait_until_finish()
        except Exception as error:
            self._end(FAILED, str(error))
        if state != PipelineState.DONE:
            self._end(FAILED, f"the runner left it {state}")
        self._end(0, "")

    def _end(self, code: int, error: str) -> NoReturn:
        with suppress(OSError):
            self._parent.send_bytes(error.encode())
        os._exit(code)  # Beam's own threads may be waiting for workers

    def _end_with_parent(self) -> None:
        with suppress(EOFError, OSError):
            self._parent.recv_bytes()
        with suppress(Exception):
            self._result.cancel()
        os._exit(FAILED)

    def _end_with_worker(self, failure: threading.ExceptHookArgs) -> None:
        if failure.thread is not None and failure.thread.name == LOCAL_WORKER:
            self._end(FAILED, str(failure.exc_value))
        threading.__excepthook__(failure)


def main(handle: int) -> None:
    """Run one pipeline for the process at the other end of a connection."""
    configure_worker_logging()
    _Run(Connection(handle))()

"""What goes into a pipeline and what has come out of it, without an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.engines.beam import LOCAL_RUNNER
from cluster.engines.beam_bundle import OutcomeBatch
from cluster.engines.beam_config import BundleConfig, PipelineConfig
from cluster.engines.beam_staging import Staging
from cluster.engines.tasks import Task, TaskQueue
from cluster.engines.wire import unpack
from schemas.videos import Video
from tests.support.items import ScriptedWorker

IN_ONE_PROCESS = ("--runner=FnApiRunner",)
IN_TWO_WORKERS = (f"--runner={LOCAL_RUNNER}", "--direct_num_workers=2")


def bundle_config(staging: Staging, worker: Any = None, queue: Any = None) -> BundleConfig:
    """Of a worker and a queue, by default of scripted videos."""
    worker = worker or ScriptedWorker()
    queue = queue or TaskQueue((), backoff_seconds=(0.2, 0.2))
    return BundleConfig(
        staging.uri, staging.write_pickle(worker), worker.resources, worker.outcome_type, queue.queue_of
    )


def pipeline_config(staging: Staging, scripts: Sequence[str], options: Sequence[str]) -> PipelineConfig:
    """Of videos with these scripts, two to a file."""
    tasks = [Task(Video(f"{number} {script}", script)) for number, script in enumerate(scripts)]
    files = tuple(staging.write_pickle(tasks[start : start + 2]) for start in range(0, len(tasks), 2))
    return PipelineConfig(tuple(options), files, bundle_config(staging))


def batches(staging: Staging) -> list[OutcomeBatch]:
    """What workers have written and nobody has taken yet."""
    return [unpack(OutcomeBatch, content) for contents in staging.take_outcomes() for content in contents]

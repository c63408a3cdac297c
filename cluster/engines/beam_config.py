"""What the driver tells the process of a pipeline, and this its workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.engines.base import Resources
from cluster.engines.pickled_file import PickledFile

FAILED, REFUSED = 1, 2  # exit codes of the process; REFUSED: Beam does not take the options


@dataclass(frozen=True)
class BundleConfig:
    """What a bundle needs beside its tasks.

    queue_of      makes the queue of one task (`cluster.engines.base.WorkQueue.queue_of`)
    outcome_type  of the worker's outcomes
    """

    staging_uri: str
    worker: PickledFile
    resources: Resources
    outcome_type: Any
    queue_of: Callable[[Any], Any]


@dataclass(frozen=True)
class PipelineConfig:
    """What a pipeline needs: options of Beam, files of tasks, and what its bundles need."""

    options: tuple[str, ...]
    task_files: tuple[PickledFile, ...]
    bundle: BundleConfig

"""The start of a training on Ray: a cluster on this machine starts while all else is imported and the data are read.

It does so where the training is certain to take place, unless its inputs are wrong: where the output is on this machine
and holds no finished training. Any other run first finds out whether there is something to do.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

from cluster.engines.options import RAY, cluster_address
from cluster.runs.lifecycle import ExitCode, terminable
from cluster.storage import files
from cluster.training.config import TrainingOptions

FINISHED = "config.json"  # as in `cluster.training.job`


def run_training(options: TrainingOptions) -> ExitCode:
    """Train a classifier, or resume a training that was interrupted."""
    try:
        with terminable(), closing(EarlyCluster()) as cluster:
            engine = options.engine
            if engine.engine == RAY and cluster_address(engine) is None and _is_unfinished(options.output):
                cluster.begin()
            from cluster.training import job

            return job.run_training(options, cluster.connection)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


class EarlyCluster:
    """A cluster on this machine, which starts in the background once it has begun."""

    def __init__(self) -> None:
        # Its thread stays until this is closed: what a thread has started may end with it.
        self._starter: ThreadPoolExecutor | None = None
        self._starting: Future[Any] | None = None

    def begin(self) -> None:
        """Begin the start, without waiting for it."""
        self._starter = ThreadPoolExecutor(1, "cluster")
        self._starting = self._starter.submit(_connect)

    def connection(self) -> Any:
        """The connection, once it is there; None where nothing has begun."""
        return None if self._starting is None else self._starting.result()

    def close(self) -> None:
        """End the cluster."""
        if self._starter is not None:
            with suppress(Exception):  # told where it was needed
                self.connection().close()
            self._starter.shutdown()


def _connect() -> Any:
    from cluster.engines.ray_cluster import Connection  # brings Ray

    return Connection(None)


def _is_unfinished(output: str) -> bool:
    try:
        return files.is_local(output) and not files.exists(files.join(output, FINISHED))
    except files.StorageError:  # as the training will say
        return False

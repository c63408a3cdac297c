"""The start of an extraction: its engine begins to start before all that plans the run is even imported.

It does so where the run is certain to have work, unless its inputs are wrong: for a new dataset on this machine. Any
other run first finds out whether there is something to do.
"""

from __future__ import annotations

from contextlib import closing

from cluster.engines.deferred import DeferredEngine
from cluster.extraction.config import ExtractionOptions
from cluster.runs.lifecycle import ExitCode, terminable
from cluster.storage import files

# What takes a worker longest to import.
WORKER_IMPORTS = ("extractors.loaded_networks", "cluster.engines.video_worker", "extractors.extract")


def run_extraction(options: ExtractionOptions) -> ExitCode:
    """Extract the features of all videos that earlier runs have not settled."""
    try:
        with terminable(), closing(DeferredEngine(options.engine, options.staging)) as engine:
            if not options.dry_run and _is_new(options.output):
                engine.begin(WORKER_IMPORTS)
            from cluster.extraction.job import extract_videos

            return extract_videos(options, engine)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _is_new(output: str) -> bool:
    """Whether a dataset is on this machine, and certain to have no features yet."""
    try:
        return files.is_local(output) and not files.exists(files.join(output, "features"))
    except files.StorageError:  # as the plan will say
        return False

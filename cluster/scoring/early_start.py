"""The start of a scoring run: its engine begins to start before all that plans the run is even imported.

It does so where the run is certain to have work, unless its inputs are wrong: for a dataset on this machine that holds
none of the labels which count, those of the day or those of any. Any other run first finds out whether there is
something to do. Features that are scored in this process need no start.
"""

from __future__ import annotations

from contextlib import closing

from cluster.engines.deferred import DeferredEngine
from cluster.engines.options import LOCAL
from cluster.runs.lifecycle import ExitCode, terminable
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS, ScoringOptions, ScoringSettings
from cluster.storage import files

SETTLED = ("ledger", "failures")  # folders of `cluster.datasets.row_dataset`
# What takes a worker longest to import.
WORKER_IMPORTS = {
    OF_FEATURES: ("cluster.scoring.feature_scorer",),
    OF_VIDEOS: ("cluster.engines.video_worker", "cluster.scoring.clip_scorer"),
}


def run_scoring(options: ScoringOptions) -> ExitCode:
    """Score all videos that have no labels yet."""
    settings = options.settings()
    try:
        with terminable(), closing(DeferredEngine(options.engine, files.join(options.labels, "staging"))) as engine:
            if _needs_start(options) and _is_new(settings):
                engine.begin(WORKER_IMPORTS[options.kind])
            from cluster.scoring.job import label_videos

            return label_videos(settings, engine)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _needs_start(options: ScoringOptions) -> bool:
    return (options.engine.engine, options.kind) != (LOCAL, OF_FEATURES)


def _is_new(settings: ScoringSettings) -> bool:
    """Whether the dataset is on this machine, and certain to hold no video's labels or failure that count."""
    labels, day = settings.options.labels, "" if settings.options.only_new else f"date={settings.date}"
    try:
        return files.is_local(labels) and not any(files.exists(files.join(labels, name, day)) for name in SETTLED)
    except files.StorageError:  # as the plan will say
        return False

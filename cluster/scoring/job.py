"""Scoring, from options to an exit code.

checkpoints, features or videos ─► plan ─ lease ─► backlog (videos without labels) ─► run ─► record
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from cluster.engines.base import Engine
from cluster.runs.lifecycle import ExitCode, bad_input, exit_code
from cluster.scoring.clip_scoring import ClipScoring
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS, ScoringSettings
from cluster.scoring.feature_scoring import FeatureScoring
from cluster.scoring.label_source import LabelSource
from cluster.scoring.run import ScoringRun
from cluster.storage.lease import Lease
from schemas.errors import InputError
from schemas.scorings import ScoringRecord

LABEL_SOURCES: dict[str, Callable[[ScoringSettings, Engine | None], LabelSource]] = {
    OF_FEATURES: FeatureScoring,
    OF_VIDEOS: ClipScoring,
}


def label_videos(settings: ScoringSettings, engine: Engine) -> ExitCode:
    """Score all videos that have no labels yet."""
    try:
        record = score_videos(settings, engine)
    except (InputError, ImportError) as error:
        return bad_input(error)
    return exit_code(record, settings.max_failure_ratio)


def score_videos(settings: ScoringSettings, engine: Engine | None = None) -> ScoringRecord:
    """Carry out a scoring run, with the `engine` of another job where it has one.

    Raises `InputError` for bad input, before anything is touched; and where another run is writing, or nothing can be
    written.
    """
    source = LABEL_SOURCES[settings.options.kind](settings, engine)
    with closing(source), source.plan.dataset.lease() as lease:
        return score(source, lease)


def score(source: LabelSource, lease: Lease) -> ScoringRecord:
    """Label what is left, with the `lease` of the dataset. Raises `InputError` where nothing can be written."""
    dataset = source.plan.dataset
    dataset.prepare()
    dataset.close_records(lease.predecessors)
    return ScoringRun(source, source.begin())()

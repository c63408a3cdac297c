"""The nightly run, from options to an exit code.

checkpoint, videos ─► lease ─► extraction of what is new ─► scoring of what has no labels ─► statistics ─► record, page

Each part knows by itself what is left to do, so that a night which failed or was killed is made up by the next. Where
nothing is left and the day has its record, no file is touched. More runs on a day are added to its record.
"""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from classifiers.checkpoint import CheckpointError, check_fingerprint
from classifiers.trained_classifier import TrainedClassifier
from cluster import storage
from cluster.dataset import DatasetError
from cluster.drift import drift_of
from cluster.engines import Engine
from cluster.extraction import BAD_INPUT, DONE, FAILED, INTERRUPTED, TOO_MANY_FAILURES, extract, planned
from cluster.extraction_plan import Inputs, Plan, PlanError, read_inputs
from cluster.feature_files import FeatureFileError
from cluster.increment import Settled, content_of, increment_of, is_same_content
from cluster.label_dataset import LabelDatasetError
from cluster.lease import Lease, LeaseError
from cluster.night_records import NightRecords
from cluster.night_report import render_night_report
from cluster.night_statistics import NightStatistics
from cluster.nightly_config import NightlyConfig
from cluster.redaction import redacted
from cluster.run_log import package_versions, without_secrets
from cluster.scoring_plan import ScoringPlan, ScoringPlanError, make_scoring_plan, read_checkpoint_at
from cluster.scoring_run import PACKAGES, Scoring
from cluster.storage import StorageError
from cluster.termination import terminable
from cluster.thumbnails import thumbnails_of
from extractors.thumbnail import Thumbnail
from schemas.nights import (
    MAX_FAILURES,
    LabelStatistics,
    NightCost,
    NightCounts,
    NightRecord,
    NightRun,
)
from schemas.runs import Machine, RunRecord, utc_text
from schemas.scorings import ScoringRecord

NIGHTS_COMPARED = 7
EXIT_CODES = {"completed": DONE, "failed": FAILED, "interrupted": INTERRUPTED}

logger = logging.getLogger("framemill")

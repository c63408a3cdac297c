"""Scoring record: everything that one scoring run tells about itself; kept as `runs/<run_id>.json` beside the labels.

Times of day are ISO 8601 in UTC, sizes bytes. `first_labels` and `first_scores` describe the surest label of each video
that this run has scored: how many videos each class has, and how sure the model was, in `SCORE_BINS` bins from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from schemas import strict_json
from schemas.runs import STATUSES, Machine, check_counts, is_utc, seconds_between

SCHEMA_VERSION = 2
SCORE_BINS = 20
MAX_FAILURES = 200


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A checkpoint that took part: where it was read, its name in the registry, hash and temperature."""

    uri: str
    model: str
    weights_sha256: str
    temperature: float


@dataclass(frozen=True, kw_only=True)
class UnreadableFile:
    """A feature file or a video that could not be read: how many videos were wanted of it, and why it has no labels."""

    uri: str
    videos: int
    message: str


@dataclass(frozen=True, kw_only=True)
class ScoringCounts:
    """What went in and what came out, in videos unless the name says otherwise.

    `already_labelled` have labels of this model from earlier runs, `failed_before` failed in one and were not tried
    again; `replaced` are those of the others whose labels of this date were withdrawn. `unlabelled` are those of the
    scored of which no class reached the threshold. `embedded` are rows of embeddings, `retried` videos that needed more
    than one attempt; `workers_lost` and `nodes_lost` are processes and machines that went away in mid-run.
    """

    videos_total: int
    already_labelled: int
    scored: int
    failed: int
    replaced: int
    unlabelled: int
    shards: int
    bytes_written: int
    failed_before: int = 0
    embedded: int = 0
    retried: int = 0
    workers_lost: int = 0
    nodes_lost: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be a count."""
        check_counts(self)

    @property
    def processed(self) -> int:
        """Videos that this run itself brought to an end."""
        return self.scored + self.failed

    @property
    def unaccounted(self) -> int:
        """Videos that were never reached; a completed run must have 0."""
        return self.videos_total - self.already_labelled - self.failed_before - self.processed


@dataclass(frozen=True, kw_only=True)
class ScoringRecord:
    """One scoring run. `manner` is what makes labels comparable: models, temperatures, classes, top k, threshold.

    `feature_fingerprint` says how the features or clips were made; `failures_by_code` and `seconds_by_stage` (of CPUs)
    are told where videos were scored.
    """

    run_id: str
    job: str
    status: str
    started_at: str
    finished_at: str
    command: tuple[str, ...]
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    date: str
    models: tuple[ScoredModel, ...]
    manner: Mapping[str, str]
    feature_fingerprint: Mapping[str, str]
    machine: Machine
    counts: ScoringCounts
    first_labels: Mapping[str, int]
    first_scores: tuple[int, ...]
    failures: tuple[UnreadableFile, ...]
    submission: str | None
    failures_by_code: Mapping[str, int] = field(default_factory=dict)
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a record that could not be read as what it is."""
        problems = []
        if self.status not in STATUSES:
            problems.append(f"status is {self.status!r}, allowed: {', '.join(STATUSES)}")
        if len(self.failures) > MAX_FAILURES:
            problems.append(f"{len(self.failures)} failures, at most {MAX_FAILURES}: keep the first ones")
        if len(self.first_scores) != SCORE_BINS:
            problems.append(f"{len(self.first_scores)} bins in first_scores, expected {SCORE_BINS}")
        if not is_date(self.date):
            problems.append(f"date is {self.date!r}, expected one such as '2025-01-31'")
        for name in ("started_at", "finished_at"):
            if not is_utc(getattr(self, name)):
                problems.append(f"{name} is {getattr(self, name)!r}, expected UTC such as '2025-01-31T06:00:00Z'")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def wall_seconds(self) -> float:
        """Time from start to finish; 0 where the clock was set back in between."""
        return seconds_between(self.started_at, self.finished_at)

    def to_json(self) -> str:
        """Write the record as JSON text."""
        return strict_json.dump(self)

    @classmethod
    def from_json(cls, text: str) -> ScoringRecord:
        """Read what `to_json` wrote; `strict_json.JsonMismatchError` lists everything that is wrong."""
        return strict_json.load(cls, text, "scoring record", schema_version=SCHEMA_VERSION)


def is_date(text: str) -> bool:
    """Whether `text` is a day, written as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

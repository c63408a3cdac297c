"""Scoring record: counts, failures and measurements of one scoring run; kept as `runs/<run_id>.json` beside the labels.

`first_labels` and `first_scores` describe the first label of each video that this run has scored, which is the one with
the highest score: videos by class, and a histogram of the scores in `SCORE_BINS` bins from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from schemas.records import JobCounts, JobRecord, is_date, too_many_failures

SCHEMA_VERSION = 2
SCORE_BINS = 20


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A checkpoint that took part: where it was read, its name in the registry, hash and temperature."""

    uri: str
    model: str
    weights_sha256: str
    temperature: float


@dataclass(frozen=True, kw_only=True)
class UnreadableFile:
    """A feature file or a video that could not be read, with the reason and the number of videos lost by it."""

    uri: str
    videos: int
    message: str


@dataclass(frozen=True, kw_only=True)
class ScoringCounts(JobCounts):
    """Counts of a scoring run.

    already_labelled  with labels of this model from earlier runs
    failed_before     failed in an earlier run, and not tried again
    replaced          those of the others whose labels of this date were withdrawn
    unlabelled        those of the scored of which no class reached the threshold
    embedded          rows of embeddings
    steps, events     of the timelines of the scored videos
    """

    already_labelled: int
    scored: int
    replaced: int
    unlabelled: int
    failed_before: int = 0
    embedded: int = 0
    steps: int = 0
    events: int = 0

    @property
    @override
    def processed(self) -> int:
        return self.scored + self.failed

    @property
    @override
    def unaccounted(self) -> int:
        return self.videos_total - self.already_labelled - self.failed_before - self.processed


@dataclass(frozen=True, kw_only=True)
class ScoringRecord(JobRecord):
    """One scoring run.

    label_fingerprint    what makes labels comparable: models, temperatures, classes, top k, threshold, and of
                         timelines their steps and the rules of events
    feature_fingerprint  how the features or clips were made
    vtt, events_csv      where the events of all videos were also written to, as `submission` of the labels
    failures_by_code     empty where features were scored, as is `seconds_by_stage`, which is CPU time
    """

    title: ClassVar[str] = "scoring record"

    date: str
    models: tuple[ScoredModel, ...]
    label_fingerprint: Mapping[str, str] = field(metadata={"key": "manner"})
    feature_fingerprint: Mapping[str, str]
    counts: ScoringCounts
    first_labels: Mapping[str, int]
    first_scores: tuple[int, ...]
    failures: tuple[UnreadableFile, ...]
    submission: str | None
    vtt: str | None = None
    events_csv: str | None = None
    failures_by_code: Mapping[str, int] = field(default_factory=dict)
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from too_many_failures(self.failures)
        if len(self.first_scores) != SCORE_BINS:
            yield f"{len(self.first_scores)} bins in first_scores, expected {SCORE_BINS}"
        if not is_date(self.date):
            yield f"date is {self.date!r}, expected one such as '2025-01-31'"

"""Night record: what one day's nightly runs did and what the labels of that day are like; `nights/DATE.json`.

A day has one record, however many runs there were: `runs` holds them in their order, `labels` describes all labels of
the day together, `drift` compares them with the nights before. A run that was killed stays `running` until the next
one, which writes `died`.

Times of day are ISO 8601 in UTC, lengths of time seconds, sizes bytes, scores and shares between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from schemas import strict_json
from schemas.runs import STATUSES, FailureNote, Machine, check_counts, seconds_between
from schemas.scorings import is_date

SCHEMA_VERSION = 1
CONFIDENCE_BINS = 20
MAX_FAILURES = 200


@dataclass(frozen=True, kw_only=True)
class NightCounts:
    """Videos of one run, or of several together.

    Of those that were taken up, `new` had never been seen, `changed` had other bytes than before, `retried` had failed
    before. `extracted` and `failed` is what became of them; `labelled` may hold more: what earlier runs left behind.
    `unread` have features that could not be read, and no labels for that.
    """

    new: int = 0
    changed: int = 0
    retried: int = 0
    extracted: int = 0
    failed: int = 0
    labelled: int = 0
    unread: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be a count."""
        check_counts(self)

    def less_left(self, left: NightCounts) -> NightCounts:
        """Without those taken up of which `left` tells that they are still to be done: another run counts them."""
        return replace(
            self,
            new=max(self.new - left.new, 0),
            changed=max(self.changed - left.changed, 0),
            retried=max(self.retried - left.retried, 0),
        )

    def plus(self, other: NightCounts) -> NightCounts:
        """Both together."""
        return NightCounts(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class NightCost:
    """What a run took.

    held_core_seconds  CPU cores of the cluster times the time that they were held
    used_core_seconds  of which workers say that they worked: decoding and embedding
    gpu_seconds        GPUs times the time that they were held
    """

    extraction_seconds: float = 0.0
    scoring_seconds: float = 0.0
    held_core_seconds: float = 0.0
    used_core_seconds: float = 0.0
    gpu_seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0

    def plus(self, other: NightCost) -> NightCost:
        """Both together."""
        return NightCost(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class NightRun:
    """One run of a night. `extraction_run` and `scoring_run` name the records of its parts, where they took place."""

    run_id: str
    status: str
    problem: str
    started_at: str
    finished_at: str
    command: tuple[str, ...]
    extraction_run: str | None
    scoring_run: str | None
    machine: Machine
    counts: NightCounts
    cost: NightCost
    failures_by_code: Mapping[str, int]

    def __post_init__(self) -> None:
        """Refuse a status that nobody knows."""
        if self.status not in STATUSES:
            raise ValueError(f"status is {self.status!r}, allowed: {', '.join(STATUSES)}")

    @property
    def wall_seconds(self) -> float:
        """Time from start to finish; 0 where the clock was set back in between."""
        return seconds_between(self.started_at, self.finished_at)


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Videos of one class: `first`, of which it is the surest label; `sure`, that have it with enough confidence.

    `mean_score` is over the videos whose labels hold it at all.
    """

    index: int
    name: str
    first: int
    sure: int
    mean_score: float


@dataclass(frozen=True, kw_only=True)
class LabelledVideo:
    """A video and its surest label."""

    id: str
    index: int
    name: str
    score: float


@dataclass(frozen=True, kw_only=True)
class LabelStatistics:
    """The labels of one day by one model.

    videos       that have a row, `unlabelled` of which no class reached the threshold
    sure_from    the score from which on a label counts as sure
    mean_score   of the surest labels
    classes      that occur in any row, by their index
    confidences  how sure the surest labels are, in `CONFIDENCE_BINS` equal bins from 0 to 1
    least_sure   the videos whose surest label has the lowest scores, the lowest first
    samples      some videos of each of the most frequent surest labels, in the order of their frequency
    """

    videos: int
    unlabelled: int
    sure_from: float
    mean_score: float
    classes: tuple[ClassCount, ...]
    confidences: tuple[int, ...]
    least_sure: tuple[LabelledVideo, ...]
    samples: tuple[LabelledVideo, ...]

    def __post_init__(self) -> None:
        """Refuse numbers that do not belong together."""
        if len(self.confidences) != CONFIDENCE_BINS:
            raise ValueError(f"{len(self.confidences)} bins in confidences, expected {CONFIDENCE_BINS}")
        if sum(entry.first for entry in self.classes) + self.unlabelled != self.videos:
            raise ValueError("the classes' first labels and the videos without a label do not add up to all videos")

    def share(self, count: int) -> float:
        """A number of videos as a share of all."""
        return count / self.videos if self.videos else 0.0


@dataclass(frozen=True, kw_only=True)
class ClassDrift:
    """How often a class is the surest label: tonight's share, the mean of the nights before, and the standard error.

    `count` is how many videos of tonight that are, `expected` how many there would be by the nights before.
    """

    index: int
    name: str
    count: int
    expected: float
    share: float
    share_before: float
    error: float

    @property
    def difference(self) -> float:
        """Of the shares."""
        return self.share - self.share_before

    @property
    def errors(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.error if self.error else math.copysign(math.inf, self.difference)

    @property
    def is_marked(self) -> bool:
        """Whether chance hardly explains it."""
        return abs(self.difference) > 3 * self.error


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Tonight's surest labels against those of `nights` (days); `other_models` of them had another model.

    `divergence` is the Jensen-Shannon divergence of the two distributions: 0 for equal ones, 1 where they share
    nothing. `classes` occur tonight or before, by their index.
    """

    nights: tuple[str, ...]
    other_models: int
    divergence: float
    classes: tuple[ClassDrift, ...]

    @property
    def new(self) -> tuple[ClassDrift, ...]:
        """Labels that no night before had."""
        return tuple(entry for entry in self.classes if entry.count and not entry.share_before)

    @property
    def vanished(self) -> tuple[ClassDrift, ...]:
        """Labels that tonight lacks."""
        return tuple(entry for entry in self.classes if not entry.count and entry.share_before)


@dataclass(frozen=True, kw_only=True)
class NightRecord:
    """One day. `model` is what labels call the model; `failures` are the first `MAX_FAILURES` of the day, by id."""

    date: str
    model: str
    checkpoint: tuple[str, ...]
    fingerprint: Mapping[str, str]
    weights_warning: str | None
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    runs: tuple[NightRun, ...]
    failures: tuple[FailureNote, ...]
    labels: LabelStatistics | None
    drift: Drift | None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a record that could not be read as what it is."""
        problems = []
        if not is_date(self.date):
            problems.append(f"date is {self.date!r}, expected one such as '2025-01-31'")
        if not self.runs:
            problems.append("there are no runs")
        if len(self.failures) > MAX_FAILURES:
            problems.append(f"{len(self.failures)} failures, at most {MAX_FAILURES}: keep the first ones")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def status(self) -> str:
        """How the last run ended."""
        return self.runs[-1].status

    @property
    def counts(self) -> NightCounts:
        """Of all runs."""
        return reduce(NightCounts.plus, (run.counts for run in self.runs))

    @property
    def cost(self) -> NightCost:
        """Of all runs."""
        return reduce(NightCost.plus, (run.cost for run in self.runs))

    @property
    def wall_seconds(self) -> float:
        """How long the runs took, one after the other."""
        return sum(run.wall_seconds for run in self.runs)

    @property
    def failures_by_code(self) -> dict[str, int]:
        """Of all runs."""
        codes = sorted({code for run in self.runs for code in run.failures_by_code})
        return {code: sum(run.failures_by_code.get(code, 0) for run in self.runs) for code in codes}

    def closed(self) -> NightRecord:
        """The same, with runs that never came to an end said to have died; what they took up is left to others."""

        def closed(run: NightRun) -> NightRun:
            if run.status != "running":
                return run
            return replace(run, status="died", counts=run.counts.less_left(run.counts))

        return replace(self, runs=tuple(map(closed, self.runs)))

    def to_json(self) -> str:
        """Write the record as JSON text."""
        return strict_json.dump(self)

    @classmethod
    def from_json(cls, text: str) -> NightRecord:
        """Read what `to_json` wrote; `strict_json.JsonMismatchError` lists everything that is wrong."""
        return strict_json.load(cls, text, "night record", schema_version=SCHEMA_VERSION)

"""Night record: what the nightly runs of one day did, and statistics of that day's labels; `nights/DATE.json`.

A day has one record, however many runs there were: `runs` holds them in their order, `labels` describes all labels of
the day together, `drift` compares them with earlier nights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar

from typing_extensions import override

from schemas.label_statistics import Drift, LabelStatistics
from schemas.records import NonNegative, Record, RunHeader, is_date, too_many_failures
from schemas.runs import FailureNote

SCHEMA_VERSION = 1
LABELS_OF = ("features", "videos")


@dataclass(frozen=True, kw_only=True)
class NightCounts(NonNegative):
    """Videos of one run, or of several together.

    new        never seen before, `changed` with other bytes than before, `retried` after a failure
    extracted  with features now that had none, or of other bytes
    failed     without features that the night extracts, or without labels that it gives to videos themselves
    labelled   may hold more than new videos: those that earlier runs left without labels
    unread     without labels, because their features could not be read
    """

    new: int = 0
    changed: int = 0
    retried: int = 0
    extracted: int = 0
    failed: int = 0
    labelled: int = 0
    unread: int = 0

    @property
    def to_do(self) -> NightCounts:
        """The new, changed and retried videos alone."""
        return NightCounts(new=self.new, changed=self.changed, retried=self.retried)

    def without(self, left: NightCounts) -> NightCounts:
        """The same without the new, changed and retried videos that are `left` to another run, which counts them."""
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
    """Resources that a run took.

    held_core_seconds  CPU cores of the cluster times the time that they were held
    used_core_seconds  those of them in which workers decoded and embedded
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
class NightRun(RunHeader):
    """One run of a night. `extraction_run` and `scoring_run` are the ids of its parts, None where they were skipped."""

    problem: str
    extraction_run: str | None
    scoring_run: str | None
    counts: NightCounts
    cost: NightCost
    failures_by_code: Mapping[str, int]

    @override
    def closed(self) -> NightRun:
        if self.status != "running":
            return self
        # Nobody knows which of its videos it finished: the next run counts what is left.
        return replace(super().closed(), counts=self.counts.without(self.counts))


@dataclass(frozen=True, kw_only=True)
class NightRecord(Record):
    """One day.

    model        the model's name in label rows
    labels_of    what it labels: `features`, or the `videos` themselves
    extracts     whether the night extracts features
    fingerprint  of the features, or of the clips; of both where the model labels videos of which features are extracted
    failures     the first `MAX_FAILURES` of the day, by id
    """

    title: ClassVar[str] = "night record"

    date: str
    model: str
    checkpoint: tuple[str, ...]
    fingerprint: Mapping[str, str]
    weights_warning: str | None
    runs: tuple[NightRun, ...]
    failures: tuple[FailureNote, ...]
    labels: LabelStatistics | None
    drift: Drift | None
    labels_of: str = "features"
    extracts: bool = True
    schema_version: int = SCHEMA_VERSION

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not is_date(self.date):
            yield f"date is {self.date!r}, expected one such as '2025-01-31'"
        if self.labels_of not in LABELS_OF:
            yield f"labels_of is {self.labels_of!r}, allowed: {', '.join(LABELS_OF)}"
        if not self.runs:
            yield "there are no runs"
        yield from too_many_failures(self.failures)

    @property
    def status(self) -> str:
        """Of the last run."""
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
        """The same day, with runs whose status is still `running` marked as `died`."""
        return replace(self, runs=tuple(run.closed() for run in self.runs))

"""What the records of all runs have in common: the header with its checks, and the JSON form.

In: what a run counted and measured.
Out: `Record.to_json`, text that is equal for equal records (sorted keys, no clock of its own), and `Record.from_json`,
which takes nothing but such text and lists every disagreement in one error.

Times of day are ISO 8601 in UTC, lengths of time seconds, sizes bytes. Tuples and mappings hold JSON values only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Self

from typing_extensions import override

from schemas import strict_json

# `running` until the end; `died` is what a later run writes into the record of one that never came to an end.
STATUSES = ("running", "completed", "interrupted", "failed", "died")
MAX_FAILURES = 200  # that a record lists; the failure shards hold all of them


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A dataclass that is refused with all its problems in one `ValueError`."""

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise ValueError("; ".join(problems))

    def problems(self) -> Iterator[str]:
        """Everything that is wrong; extended by subclasses."""
        yield from ()


@dataclass(frozen=True, kw_only=True)
class NonNegative(Checked):
    """Counts, none of which is below 0."""

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        negative = [f"{name}={value}" for name, value in vars(self).items() if value < 0]
        if negative:
            yield f"counts cannot be negative: {', '.join(negative)}"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run took place: the name of its engine, and the resources that the engine had."""

    engine: str
    nodes: int
    cpus: int
    gpus: int


@dataclass(frozen=True, kw_only=True)
class Execution(Checked):
    """When something ran, and its command line, one argument each, so that it can be repeated."""

    started_at: str
    finished_at: str
    command: tuple[str, ...]

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        for name in ("started_at", "finished_at"):
            if not is_utc(getattr(self, name)):
                yield f"{name} is {getattr(self, name)!r}, expected UTC such as '2025-01-31T06:00:00Z'"

    @property
    def wall_seconds(self) -> float:
        """Time from start to finish; 0 where the clock was set back in between."""
        lasted = datetime.fromisoformat(self.finished_at) - datetime.fromisoformat(self.started_at)
        return max(lasted.total_seconds(), 0.0)


@dataclass(frozen=True, kw_only=True)
class RunHeader(Execution):
    """The header of a run that holds the lease of a dataset."""

    run_id: str
    status: str
    machine: Machine

    @override
    def problems(self) -> Iterator[str]:
        if self.status not in STATUSES:
            yield f"status is {self.status!r}, allowed: {', '.join(STATUSES)}"
        yield from super().problems()

    def closed(self) -> Self:
        """The same run, as `died` if its status is still `running`."""
        return replace(self, status="died") if self.status == "running" else self


@dataclass(frozen=True, kw_only=True)
class Record(Checked):
    """A JSON file that a run leaves behind; `configuration` are its options without secrets, `versions` by package."""

    title: ClassVar[str]  # in errors, as in 'run record'

    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    schema_version: int

    def to_json(self) -> str:
        """Write the record as JSON text."""
        return strict_json.dump(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; `strict_json.JsonMismatchError` lists everything that is wrong."""
        version = next(field.default for field in fields(cls) if field.name == "schema_version")
        assert isinstance(version, int)
        return strict_json.load(cls, text, cls.title, schema_version=version)


@dataclass(frozen=True, kw_only=True)
class JobCounts(NonNegative, ABC):
    """Inputs and results of a run; the unit is one video unless the name says otherwise.

    retried       videos that needed more than one attempt, whatever their outcome
    workers_lost  processes that died during the run; others did their tasks
    nodes_lost    machines that left during the run
    """

    videos_total: int
    failed: int
    shards: int
    bytes_written: int
    retried: int = 0
    workers_lost: int = 0
    nodes_lost: int = 0

    @property
    @abstractmethod
    def processed(self) -> int:
        """Videos that this run settled."""

    @property
    @abstractmethod
    def unaccounted(self) -> int:
        """Videos without an outcome (above 0: never reached) or with two (below 0); a completed run must have 0."""


@dataclass(frozen=True, kw_only=True)
class JobRecord(RunHeader, Record):
    """The record of a run of the job `job`."""

    job: str
    counts: JobCounts


def too_many_failures(failures: Sized) -> Iterator[str]:
    """What is wrong with the failures of a record, if there are too many."""
    if len(failures) > MAX_FAILURES:
        yield f"{len(failures)} failures, at most {MAX_FAILURES}: keep the first ones"


def utc_text(moment: datetime) -> str:
    """`moment` in UTC as ISO 8601, in whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_utc(text: str) -> bool:
    """Whether `text` is a time of day in UTC, as ISO 8601."""
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False


def is_date(text: str) -> bool:
    """Whether `text` is a day, written as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

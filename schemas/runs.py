"""Run record: everything that one extraction run tells about itself; kept as `runs/<run_id>.json`.

In: what the driver counted and measured.
Out: `to_json()`, text that is equal for equal records (sorted keys, no clock of its own), and `from_json()`, which
takes nothing but such text and lists every disagreement in one error.

Times of day are ISO 8601 in UTC; lengths of time are seconds, sizes bytes. Tuples and mappings hold JSON values only. A
record stays small however large the run: at most `MAX_FAILURES` failures are told one by one, and the videos' lengths
are a histogram; the failure shards hold the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from schemas import strict_json

SCHEMA_VERSION = 1
# `running` until the end; `died` is what a later run writes where it found a run that never came to one.
STATUSES = ("running", "completed", "interrupted", "failed", "died")
MAX_FAILURES = 200

# Lower edges of the histogram's bins; the last bin is open. Dense where web videos are (YouTube-8M: 120 to 500 s).
DURATION_EDGES_SECONDS = (0.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the run took place: engine name, and what the engine had at its disposal."""

    engine: str
    nodes: int
    cpus: int
    gpus: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What went in and what came out; the unit is one video unless the name says otherwise.

    `already_done` are ids settled by earlier runs, `retried` are videos that needed more than one attempt, whatever
    their end. `partial` are those of the extracted of which parts are missing (`coverage` below 1). `decoded_seconds`
    is the length of the video that was decoded, not the time it took. `workers_lost` and `nodes_lost` are processes
    and machines that went away in mid-run; what they had in hand was done by others.
    """

    videos_total: int
    already_done: int
    extracted: int
    failed: int
    retried: int
    frames: int
    decoded_seconds: float
    bytes_read: int
    bytes_written: int
    shards: int
    partial: int = 0
    workers_lost: int = 0
    nodes_lost: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be a count."""
        check_counts(self)

    @property
    def processed(self) -> int:
        """Videos that this run itself brought to an end."""
        return self.extracted + self.failed

    @property
    def unaccounted(self) -> int:
        """Ids without an outcome (above 0: never reached) or with two (below 0); a completed run must have 0."""
        return self.videos_total - self.already_done - self.processed


@dataclass(frozen=True, kw_only=True)
class FailureNote:
    """One video that failed: the same fields as its row in `failures/`."""

    id: str
    uri: str
    stage: str
    code: str
    message: str
    attempts: int


@dataclass(frozen=True, kw_only=True)
class ThroughputPoint:
    """Totals so far, `seconds` after the start of the run."""

    seconds: float
    videos: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class DurationHistogram:
    """How long the videos are: `counts[i]` last from `edges_seconds[i]` to the next edge; the last bin is open."""

    edges_seconds: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse edges and counts that do not belong together."""
        if len(self.edges_seconds) != len(self.counts):
            raise ValueError(f"{len(self.edges_seconds)} edges but {len(self.counts)} counts; each edge opens one bin")
        if any(left >= right for left, right in pairwise(self.edges_seconds)):
            raise ValueError(f"edges must rise: {list(self.edges_seconds)}")
        if any(count < 0 for count in self.counts):
            raise ValueError(f"counts cannot be negative: {list(self.counts)}")

    @classmethod
    def from_seconds(
        cls, durations_seconds: Iterable[float], edges_seconds: tuple[float, ...] = DURATION_EDGES_SECONDS
    ) -> "DurationHistogram":
        """Count durations, one pass, whatever their number."""
        counts = [0] * len(edges_seconds)
        for seconds in durations_seconds:
            below = sum(edge <= seconds for edge in edges_seconds)
            counts[max(below - 1, 0)] += 1
        return cls(edges_seconds=edges_seconds, counts=tuple(counts))

    def plus(self, durations_seconds: Iterable[float]) -> "DurationHistogram":
        """Return this histogram with more durations counted in: for totals that grow while a run goes on."""
        more = self.from_seconds(durations_seconds, self.edges_seconds)
        return DurationHistogram(
            edges_seconds=self.edges_seconds,
            counts=tuple(mine + theirs for mine, theirs in zip(self.counts, more.counts, strict=True)),
        )


@dataclass(frozen=True, kw_only=True)
class SlowVideo:
    """A video that took long: `seconds` of work for `frames` sampled frames."""

    id: str
    seconds: float
    frames: int


@dataclass(frozen=True, kw_only=True)
class ContactPicture:
    """One sampled frame, `seconds` into its video, as a small JPEG."""

    id: str
    seconds: float
    jpeg_base64: str


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run. `command` is its command line, word by word, so that it can be given again."""

    run_id: str
    job: str
    status: str
    started_at: str
    finished_at: str
    command: tuple[str, ...]
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    fingerprint: Mapping[str, Any]
    machine: Machine
    counts: Counts
    failures_by_code: Mapping[str, int]
    failures: tuple[FailureNote, ...]
    seconds_by_stage: Mapping[str, float]
    throughput: tuple[ThroughputPoint, ...]
    durations: DurationHistogram
    slowest: tuple[SlowVideo, ...]
    contact_sheet: tuple[ContactPicture, ...]
    weights_warning: str | None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse a record that could not be read as what it is."""
        problems = []
        if self.status not in STATUSES:
            problems.append(f"status is {self.status!r}, allowed: {', '.join(STATUSES)}")
        if len(self.failures) > MAX_FAILURES:
            problems.append(f"{len(self.failures)} failures, at most {MAX_FAILURES}: keep the first ones")
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
    def from_json(cls, text: str) -> "RunRecord":
        """Read what `to_json` wrote; `strict_json.JsonMismatchError` lists everything that is wrong."""
        return strict_json.load(cls, text, "run record", schema_version=SCHEMA_VERSION)


def check_counts(counts: object) -> None:
    """Refuse what cannot be counts, with a `ValueError`."""
    negative = [f"{name}={value}" for name, value in vars(counts).items() if value < 0]
    if negative:
        raise ValueError(f"counts cannot be negative: {', '.join(negative)}")


def seconds_between(started_at: str, finished_at: str) -> float:
    """Time from one moment to a later one; 0 where the clock was set back in between."""
    lasted = datetime.fromisoformat(finished_at) - datetime.fromisoformat(started_at)
    return max(lasted.total_seconds(), 0.0)


def utc_text(moment: datetime) -> str:
    """Write a moment as the record wants it, in whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_utc(text: str) -> bool:
    """Whether a moment is written so, in UTC."""
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False

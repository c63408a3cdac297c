"""Run record: counts, failures and measurements of one extraction run; kept as `runs/<run_id>.json`.

A record stays small however large the run: it lists at most `MAX_FAILURES` failures, and the videos' lengths are a
histogram; the failure shards hold the rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from typing_extensions import override

from schemas.failures import FailureRow
from schemas.records import Checked, JobCounts, JobRecord, too_many_failures

SCHEMA_VERSION = 2

# Lower edges of the histogram's bins; the last bin is open. Dense where web videos are (YouTube-8M: 120 to 500 s).
DURATION_EDGES_SECONDS = (0.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True, kw_only=True)
class Counts(JobCounts):
    """Counts of an extraction run.

    already_done     settled by earlier runs
    failed_before    those of them that failed, and are not tried again
    relabelled       those of them that got other labels or another split, without decoding
    earlier_release  those of them that keep features of a release that sampled some files otherwise
    partial          those of the extracted of which parts are missing (`coverage` below 1)
    decoded_seconds  length of the video that was decoded, not the time it took
    """

    already_done: int
    extracted: int
    frames: int
    decoded_seconds: float
    bytes_read: int
    partial: int = 0
    failed_before: int = 0
    relabelled: int = 0
    earlier_release: int = 0

    @property
    @override
    def processed(self) -> int:
        return self.extracted + self.failed

    @property
    @override
    def unaccounted(self) -> int:
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

    @classmethod
    def of(cls, row: FailureRow) -> "FailureNote":
        """The same of a row."""
        return cls(**{name: getattr(row, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class ThroughputPoint:
    """Totals so far, `seconds` after the start of the run."""

    seconds: float
    videos: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class DurationHistogram(Checked):
    """Lengths of videos: `counts[i]` last from `edges_seconds[i]` to the next edge; the last bin is open."""

    edges_seconds: tuple[float, ...]
    counts: tuple[int, ...]

    @override
    def problems(self) -> Iterator[str]:
        if len(self.edges_seconds) != len(self.counts):
            yield f"{len(self.edges_seconds)} edges but {len(self.counts)} counts; each edge opens one bin"
        if any(left >= right for left, right in pairwise(self.edges_seconds)):
            yield f"edges must rise: {list(self.edges_seconds)}"
        if any(count < 0 for count in self.counts):
            yield f"counts cannot be negative: {list(self.counts)}"

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
        """This histogram with more durations counted in."""
        more = self.from_seconds(durations_seconds, self.edges_seconds)
        return DurationHistogram(
            edges_seconds=self.edges_seconds,
            counts=tuple(mine + theirs for mine, theirs in zip(self.counts, more.counts, strict=True)),
        )


@dataclass(frozen=True, kw_only=True)
class SlowVideo:
    """One of the slowest videos: `seconds` of work for `frames` sampled frames."""

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
class RunRecord(JobRecord):
    """One extraction run.

    unread  folders, links and tars of the input that were not read, or not to their end: videos are missing; at most
            `MAX_FAILURES`
    """

    title: ClassVar[str] = "run record"

    fingerprint: Mapping[str, Any]
    counts: Counts
    failures_by_code: Mapping[str, int]
    failures: tuple[FailureNote, ...]
    seconds_by_stage: Mapping[str, float]
    throughput: tuple[ThroughputPoint, ...]
    durations: DurationHistogram
    slowest: tuple[SlowVideo, ...]
    contact_sheet: tuple[ContactPicture, ...]
    weights_warning: str | None
    unread: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from too_many_failures(self.failures)

"""Transcription record: counts, failures and measurements of a run, kept as `runs/<run_id>.json` beside transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from schemas.records import JobCounts, JobRecord, too_many_failures
from schemas.runs import FailureNote

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class TranscriptionCounts(JobCounts):
    """Counts of a transcription run.

    already_done   with transcripts of this model from earlier runs
    failed_before  failed in an earlier run, and not tried again
    transcribed    of them, `silent` without a word
    partial        of the transcribed those of which a part was not read
    replaced       those of the others whose transcripts were withdrawn
    words, frames  of the transcribed videos
    """

    already_done: int
    failed_before: int
    transcribed: int
    silent: int
    partial: int
    replaced: int
    words: int
    frames: int

    @property
    @override
    def processed(self) -> int:
        return self.transcribed + self.failed

    @property
    @override
    def unaccounted(self) -> int:
        return self.videos_total - self.already_done - self.failed_before - self.processed


@dataclass(frozen=True, kw_only=True)
class TranscriptionRecord(JobRecord):
    """One transcription run.

    checkpoint        where the lip reader was read
    fingerprint       what makes transcripts comparable: the model, the mouth, windows, and how text is decoded
    srt, vtt          where subtitles were also written to
    seconds_by_stage  CPU seconds
    """

    title: ClassVar[str] = "transcription record"

    checkpoint: str
    model: str
    fingerprint: Mapping[str, str]
    counts: TranscriptionCounts
    failures: tuple[FailureNote, ...]
    failures_by_code: Mapping[str, int] = field(default_factory=dict)
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)
    srt: str | None = None
    vtt: str | None = None
    schema_version: int = SCHEMA_VERSION

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from too_many_failures(self.failures)

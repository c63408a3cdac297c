"""What cutting makes of annotated videos: clips, what was found wrong, and the record of a run.

    VideoCuts     one video: its clips and findings, or why it failed; a JSON file, by which a run resumes
    CuttingRecord the run, with totals and the first failures

Times are whole microseconds after a video's first frame, rounded down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from typing_extensions import override

from schemas import strict_json
from schemas.records import JobCounts, JobRecord, too_many_failures
from schemas.runs import FailureNote

SCHEMA_VERSION = 1


class FindingCode(StrEnum):
    """What may be wrong with an annotation or a video."""

    NO_LABEL = "no_label"
    NO_LENGTH = "no_length"
    OUTSIDE = "outside"
    NO_FRAME = "no_frame"
    DUPLICATE = "duplicate"
    NOT_CUT = "not_cut"
    NO_RECORD = "no_record"
    NO_VIDEO = "no_video"
    AMBIGUOUS = "ambiguous"
    SHORTENED = "shortened"
    OVERLAP = "overlap"
    NESTING = "nesting"
    OTHER_RATE = "other_rate"
    OTHER_LENGTH = "other_length"
    DAMAGED = "damaged"
    SEVERAL_ENTRIES = "several_entries"
    SPELLINGS = "spellings"
    OTHER_SPLIT = "other_split"
    NO_SPLIT = "no_split"
    NO_ANNOTATION = "no_annotation"


# Those that cost an annotation its clip, or the clip its file; the others are reported, and the clip is kept.
REFUSALS = frozenset(
    {
        *(FindingCode.NO_LABEL, FindingCode.NO_LENGTH, FindingCode.OUTSIDE, FindingCode.NO_FRAME),
        *(FindingCode.DUPLICATE, FindingCode.NOT_CUT, FindingCode.NO_RECORD),
        *(FindingCode.NO_VIDEO, FindingCode.AMBIGUOUS),
    }
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found wrong.

    code     one of `FindingCode`
    label    of the annotation
    source   where the annotation stands in the export; empty for what concerns a video or all of them
    clip     id of the clip that would be the annotation's
    """

    code: str
    video: str
    label: str = ""
    source: str = ""
    clip: str = ""
    message: str

    @property
    def is_refusal(self) -> bool:
        """Whether something is missing because of it."""
        return self.code in REFUSALS


@dataclass(frozen=True, kw_only=True)
class CutClip:
    """One clip.

    frames                            that begin in it
    file                              its file in the folder of clips; empty where none was asked for, or it failed
    before_microseconds, after_microseconds
                                      what the file shows around the clip
    notes                             what differs from the source in the file
    """

    id: str
    labels: tuple[str, ...]
    start_microseconds: int
    end_microseconds: int
    frames: int
    split: str
    group: str
    file: str = ""
    before_microseconds: int = 0
    after_microseconds: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CutVideo:
    """The clips of one video.

    rate             frames per second, as the container states it or on average
    is_variable      whether the distances between its frames differ
    records          files of records in the folder of records
    """

    frames: int
    duration_seconds: float
    rate: float
    is_variable: bool
    clips: tuple[CutClip, ...]
    findings: tuple[Finding, ...]
    records: tuple[str, ...]
    bytes_written: int
    seconds_by_stage: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class VideoCuts:
    """What has become of one video.

    uri          without secrets
    fingerprint  of its content, the extents of its annotations and the options: others make it out of date
    cut          None if it failed; stored without the labels, splits and groups that the annotations give its clips
    """

    id: str
    uri: str
    fingerprint: str
    cut: CutVideo | None
    failure: FailureNote | None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Write it as JSON text."""
        return strict_json.dump(self)

    @classmethod
    def from_json(cls, text: str) -> VideoCuts:
        """Read what `to_json` wrote; raises `strict_json.JsonMismatchError`."""
        return strict_json.load(cls, text, "cuts of a video", schema_version=SCHEMA_VERSION)


@dataclass(frozen=True, kw_only=True)
class CuttingCounts(JobCounts):
    """Counts of a run; `shards` are files of records.

    already_cut    by an earlier run, of the same content, annotations and options
    failed_before  failed in an earlier run, and not tried again
    clips          of all videos, in the manifest
    refused        annotations without a clip, and clips without their file
    reported       other findings
    """

    cut: int
    already_cut: int = 0
    failed_before: int = 0
    clips: int = 0
    refused: int = 0
    reported: int = 0

    @property
    @override
    def processed(self) -> int:
        return self.cut + self.failed

    @property
    @override
    def unaccounted(self) -> int:
        return self.videos_total - self.already_cut - self.failed_before - self.processed


@dataclass(frozen=True, kw_only=True)
class CuttingRecord(JobRecord):
    """One run.

    source        the export of annotations, or the records, that clips were made from
    findings      what concerns the export as a whole: videos without annotation, and the like
    clips_by_class, clips_by_split
                  of the manifest
    clip_seconds  of all clips together
    """

    title: ClassVar[str] = "cutting record"

    counts: CuttingCounts
    source: str
    output: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    clips_by_class: Mapping[str, int]
    clips_by_split: Mapping[str, int]
    clip_seconds: float
    failures: tuple[FailureNote, ...]
    failures_by_code: Mapping[str, int]
    seconds_by_stage: Mapping[str, float]
    schema_version: int = SCHEMA_VERSION

    @override
    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from too_many_failures(self.failures)

"""Counts and measurements of an extraction run, collected while it works, and its `RunRecord`."""

from __future__ import annotations

import base64
import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cluster.engines.tasks import Done
from cluster.runs.provenance import command_line, package_versions, without_secrets
from cluster.storage.redaction import redacted_uri
from extractors.features import SegmentFeatures
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.records import MAX_FAILURES, Machine, utc_text
from schemas.runs import ContactPicture, Counts, DurationHistogram, FailureNote, RunRecord, SlowVideo, ThroughputPoint

MAX_POINTS = 240
SLOWEST = 10


@dataclass
class RunLog:
    """Everything that is counted from `started`, the start of the run, on."""

    run_id: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    extracted: int = 0
    failed: int = 0
    partial: int = 0
    frames: int = 0
    decoded_seconds: float = 0.0
    bytes_read: int = 0
    failures_by_code: Counter[str] = field(default_factory=Counter)
    failures: list[FailureNote] = field(default_factory=list)
    seconds_by_stage: dict[str, float] = field(default_factory=dict)
    durations: DurationHistogram = field(default_factory=lambda: DurationHistogram.from_seconds([]))
    pictures: list[ContactPicture] = field(default_factory=list)
    uris: dict[str, str] = field(default_factory=dict)  # of the videos that a report shows
    _points: list[ThroughputPoint] = field(default_factory=list)
    _point_every_seconds: float = 0.5
    _work: dict[str, float] = field(default_factory=dict)  # CPU seconds of videos that are not settled yet
    _slowest: list[tuple[float, str, int]] = field(default_factory=list)

    def add_segment(self, done: Done[SegmentFeatures]) -> None:
        """Count a finished segment."""
        features, video = done.features, done.task.video
        self.frames += features.num_frames
        if features.segment.index == 0:
            self.bytes_read += features.size_bytes
        for stage, seconds in features.seconds_by_stage.items():
            self.seconds_by_stage[stage] = self.seconds_by_stage.get(stage, 0.0) + seconds
        self._work[video.id] = self._work.get(video.id, 0.0) + sum(features.seconds_by_stage.values())
        if features.thumbnail is not None:
            picture = base64.b64encode(features.thumbnail.jpeg).decode()
            self.pictures.append(ContactPicture(id=video.id, seconds=features.thumbnail.seconds, jpeg_base64=picture))
            self.uris[video.id] = redacted_uri(video.uri)

    def add_row(self, row: FeatureRow, seconds: float) -> None:
        """Count a finished video, `seconds` after the start."""
        self.extracted += 1
        self.partial += row.coverage < 1
        self.decoded_seconds += row.duration_seconds
        self.durations = self.durations.plus([row.duration_seconds])
        heapq.heappush(self._slowest, (self._work.pop(row.id, 0.0), row.id, row.num_frames))
        self.uris[row.id] = row.uri
        if len(self._slowest) > SLOWEST:
            _, name, _ = heapq.heappop(self._slowest)
            if name not in {picture.id for picture in self.pictures}:
                del self.uris[name]
        self._add_point(seconds)

    def add_failure(self, row: FailureRow, seconds: float) -> None:
        """Count a failed video, `seconds` after the start."""
        self.failed += 1
        self._work.pop(row.id, None)
        self.failures_by_code[row.code] += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(replace(FailureNote.of(row), uri=redacted_uri(row.uri)))
        self._add_point(seconds)

    def record(
        self,
        *,
        status: str,
        configuration: dict[str, Any],
        fingerprint: dict[str, str],
        machine: Machine,
        videos_total: int,
        already_done: int,
        failed_before: int,
        relabelled: int,
        earlier_release: int,
        retried: int,
        workers_lost: int,
        nodes_lost: int,
        bytes_written: int,
        shards: int,
        weights_warning: str | None,
        unread: Sequence[str],
    ) -> RunRecord:
        """The run record, with now as its end."""
        now = datetime.now(UTC)
        return RunRecord(
            run_id=self.run_id,
            job="extract_features",
            status=status,
            started_at=utc_text(self.started),
            finished_at=utc_text(now),
            command=command_line(),
            configuration=without_secrets(configuration),
            versions=package_versions(),
            fingerprint=fingerprint,
            machine=machine,
            counts=Counts(
                videos_total=videos_total,
                already_done=already_done,
                failed_before=failed_before,
                relabelled=relabelled,
                earlier_release=earlier_release,
                extracted=self.extracted,
                failed=self.failed,
                partial=self.partial,
                retried=retried,
                workers_lost=workers_lost,
                nodes_lost=nodes_lost,
                frames=self.frames,
                decoded_seconds=self.decoded_seconds,
                bytes_read=self.bytes_read,
                bytes_written=bytes_written,
                shards=shards,
            ),
            failures_by_code=dict(self.failures_by_code),
            failures=tuple(sorted(self.failures, key=lambda note: note.id)),
            seconds_by_stage=dict(self.seconds_by_stage),
            throughput=(*self._points, self._point((now - self.started).total_seconds())),
            durations=self.durations,
            slowest=tuple(
                SlowVideo(id=name, seconds=seconds, frames=frames)
                for seconds, name, frames in sorted(self._slowest, reverse=True)
            ),
            contact_sheet=tuple(sorted(self.pictures, key=lambda picture: picture.id)),
            weights_warning=weights_warning,
            unread=tuple(map(redacted_uri, unread[:MAX_FAILURES])),
        )

    def _add_point(self, seconds: float) -> None:
        if self._points and seconds < self._points[-1].seconds + self._point_every_seconds:
            return
        self._points.append(self._point(seconds))
        if len(self._points) > MAX_POINTS:
            del self._points[1::2]  # the first shows how long the start took
            self._point_every_seconds *= 2

    def _point(self, seconds: float) -> ThroughputPoint:
        return ThroughputPoint(seconds=seconds, videos=self.extracted + self.failed, frames=self.frames)

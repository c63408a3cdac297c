"""Outcomes of segments → one outcome for each video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cluster.engines.tasks import Done, Failed, Outcome, failure_row
from cluster.storage.redaction import redacted_uri
from extractors.features import SegmentFeatures, is_hopeless, merge_segments
from extractors.segments import Segment
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.outcomes import VideoError
from schemas.videos import Video


class Assembler:
    """Keeps the finished segments of long videos until the last one arrives."""

    def __init__(self, labels_of: Callable[[Video], tuple[int, ...]], run_id: str) -> None:
        self._labels_of = labels_of
        self._run_id = run_id
        self._parts: dict[str, list[SegmentFeatures]] = {}
        self._lost: dict[str, list[Segment]] = {}

    def add(self, outcome: Outcome) -> FeatureRow | FailureRow | None:
        """The video's row if this outcome settles it, else None. A segment that cannot be decoded leaves a gap."""
        video, segment = outcome.task.video, outcome.task.segment
        parts, lost = self._parts.setdefault(video.id, []), self._lost.setdefault(video.id, [])
        if isinstance(outcome, Done):
            segment = outcome.features.segment
            parts.append(outcome.features)
        elif segment is not None and outcome.leaves_a_gap and not is_hopeless(len(lost) + 1, segment.count):
            lost.append(segment)
        else:
            return self._failure(outcome)
        if len(parts) + len(lost) < segment.count:
            return None
        try:
            row = merge_segments(video, self._labels_of(video), parts, lost)
        except VideoError as error:
            return self._failure(Failed(outcome.task, error.code, error.message, error.stage))
        self._forget(video)
        return replace(row, uri=redacted_uri(row.uri))

    def _failure(self, failed: Failed) -> FailureRow:
        self._forget(failed.task.video)
        return failure_row(failed, self._run_id)

    def _forget(self, video: Video) -> None:
        del self._parts[video.id], self._lost[video.id]

"""Outcomes of segments → one outcome for each video."""

from __future__ import annotations

from collections.abc import Callable

from cluster.increment import content_of
from cluster.redaction import redacted
from cluster.tasks import Done, Failed, Outcome
from extractors.features import SegmentFeatures, merge_segments
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.videos import Video


class Assembler:
    """Keeps the finished segments of long videos until all are there."""

    def __init__(self, labels_of: Callable[[Video], tuple[int, ...]], run_id: str) -> None:
        self._labels_of = labels_of
        self._run_id = run_id
        self._parts: dict[str, list[SegmentFeatures]] = {}

    def add(self, outcome: Outcome) -> FeatureRow | FailureRow | None:
        """The video's row if this outcome settles it."""
        video = outcome.task.video
        if isinstance(outcome, Failed):
            self._parts.pop(video.id, None)
            message = redacted(outcome.message)
            return FailureRow(
                id=video.id,
                uri=video.uri,
                stage=outcome.stage,
                code=outcome.code,
                message=message,
                attempts=outcome.task.attempt,
                run_id=self._run_id,
                content=content_of(video),
            )
        return self._add_part(video, outcome)

    def _add_part(self, video: Video, done: Done) -> FeatureRow | None:
        parts = self._parts.setdefault(video.id, [])
        parts.append(done.features)
        if len(parts) < done.features.segment.count:
            return None
        return merge_segments(video, self._labels_of(video), self._parts.pop(video.id))

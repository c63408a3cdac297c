"""Outcomes of segments → one outcome for each video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cluster.engines.tasks import Done, Failed, Outcome, failure_row
from cluster.extraction.segment_spool import CONTENT, SegmentSpool
from cluster.runs.lifecycle import internal_error
from cluster.storage.redaction import redacted_uri
from cluster.storage.temporaries import temporaries_explained
from extractors.features import SegmentFeatures, is_hopeless, merge_segments
from extractors.sampling import SamplingConfig
from extractors.segments import Segment
from schemas.errors import InputError
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.videos import Video


class Assembler:
    """Keeps the finished segments of long videos until the last one arrives; their features are on disk. To be closed.

    The limits of `sampling` hold whatever a process says that has decoded a hostile file.
    """

    def __init__(
        self, labels_of: Callable[[Video], tuple[int, ...]], run_id: str, sampling: SamplingConfig | None = None
    ) -> None:
        self._labels_of = labels_of
        self._run_id = run_id
        self._sampling = sampling or SamplingConfig()
        self._spool = SegmentSpool()
        self._done: dict[str, int] = {}  # how many segments, by video
        self._lost: dict[str, list[Segment]] = {}

    def add(self, outcome: Outcome) -> FeatureRow | FailureRow | None:
        """The video's row if this outcome settles it, else None. A segment that cannot be decoded leaves a gap.

        An error of this program in joining the segments is a failure of the video.
        """
        video, segment = outcome.task.video, outcome.task.segment
        lost = self._lost.setdefault(video.id, [])
        if isinstance(outcome, Done):
            segment = outcome.features.segment
            if segment.count == 1:
                return self._row(outcome, lambda: [outcome.features])
            self._spool.add(video.id, outcome.features)
            self._done[video.id] = self._done.get(video.id, 0) + 1
        elif segment is not None and outcome.leaves_a_gap and not is_hopeless(len(lost) + 1, segment.count):
            lost.append(segment)
        else:
            return self._failure(outcome)
        if self._done.get(video.id, 0) + len(lost) < segment.count:
            return None
        return self._row(outcome, lambda: self._spool.take(video.id))

    def close(self) -> None:
        """Remove what is on disk."""
        self._spool.close()

    def _row(self, outcome: Outcome, parts: Callable[[], Sequence[SegmentFeatures]]) -> FeatureRow | FailureRow:
        video = outcome.task.video
        try:
            with temporaries_explained(CONTENT):
                row = merge_segments(video, self._labels_of(video), parts(), self._lost[video.id])
            self._sampling.check_length(row.num_frames)
        except VideoError as error:
            return self._failure(Failed(outcome.task, error.code, error.message, error.stage))
        except InputError:
            raise
        except Exception:
            return self._failure(Failed(outcome.task, FailureCode.INTERNAL, internal_error(), Stage.DECODE))
        self._forget(video)
        return replace(row, uri=redacted_uri(row.uri))

    def _failure(self, failed: Failed) -> FailureRow:
        self._forget(failed.task.video)
        return failure_row(failed, self._run_id)

    def _forget(self, video: Video) -> None:
        self._spool.forget(video.id)
        self._done.pop(video.id, None)
        del self._lost[video.id]

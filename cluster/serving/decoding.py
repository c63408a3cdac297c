"""What runs in the child process of a decoder: the stages of all models, each guarded, in one worker.

In: a `Step`, a task for one of the stages. Out: an `Answer`, its outcome.

Networks are not in the child, which reads hostile files, but for those of stream networks, whose state would have to
travel with every few frames. Others are reached over a Unix socket (`network_link`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from typing_extensions import override

from cluster.engines.base import Resources, Worker
from cluster.engines.stage import Network, VideoStage
from cluster.engines.tasks import Done, Failed, Outcome, Task
from cluster.engines.video_worker import VideoWorker
from cluster.scoring.timeline_assembler import TimelineScores
from cluster.serving.length import VideoLength
from cluster.transcription.transcriber import Transcript
from extractors.features import SegmentFeatures
from extractors.video.thumbnail import Thumbnail


@dataclass(frozen=True)
class Step:
    """A task for the stage with that key."""

    stage: str
    task: Task

    @property
    def key(self) -> str:
        """Names it within a video's work."""
        return f"{self.stage} {self.task.key}"


@dataclass(frozen=True)
class Answer:
    """The outcome of a step, of whatever kind it is; one of them is there."""

    length: Done[VideoLength] | None = None
    still: Done[Thumbnail] | None = None
    features: Done[SegmentFeatures] | None = None
    timeline: Done[TimelineScores] | None = None
    transcript: Done[Transcript] | None = None
    failed: Failed | None = None

    @property
    def outcome(self) -> Outcome:
        """The one that is there. Raises `ValueError` where none is."""
        found = [one for field in fields(self) if (one := getattr(self, field.name)) is not None]
        if len(found) != 1:
            raise ValueError("an answer has one outcome")
        outcome: Outcome = found[0]
        return outcome


FIELD_OF: Mapping[type[Any], str] = {
    VideoLength: "length",
    Thumbnail: "still",
    SegmentFeatures: "features",
    TimelineScores: "timeline",
    Transcript: "transcript",
}

SECONDS_OF: Mapping[type[Any], float] = {Thumbnail: 20.0}  # that a task may take at most, beside the operator's limit


@dataclass(frozen=True)
class StageWorker(Worker[Step, Answer]):
    """Carries out steps; a task may take `memory_bytes` beside what the process holds, and so many seconds.

    segment_seconds  of a task
    video_seconds    of one that reads a whole video, as lip readers do
    """

    stages: Mapping[str, VideoStage]
    memory_bytes: int
    segment_seconds: float
    video_seconds: float

    @property
    @override
    def resources(self) -> Resources:
        seconds = max(map(self._seconds, self.stages.values()))
        return Resources(time_limit_seconds=seconds, memory_limit_bytes=self.memory_bytes)

    @property
    @override
    def outcome_type(self) -> type[Answer]:
        return Answer

    @property
    @override
    def networks(self) -> Mapping[str, Network]:
        """By the key of their stage and their own name, as in `features-0/frames`."""
        return {
            f"{key}/{name}": network for key, stage in self.stages.items() for name, network in stage.networks.items()
        }

    @override
    def with_networks(self, networks: Mapping[str, Network]) -> StageWorker:
        stages = {
            key: stage.with_networks({name: networks[f"{key}/{name}"] for name in stage.networks})
            for key, stage in self.stages.items()
        }
        return replace(self, stages=stages)

    @override
    def setup(self) -> None:
        for stage in self.stages.values():
            stage.setup()

    @override
    def __call__(self, task: Step) -> Answer:
        stage = self.stages[task.stage]
        outcome = VideoWorker(stage, self.memory_bytes, self._seconds(stage))(task.task)
        if isinstance(outcome, Failed):
            return Answer(failed=outcome)
        found: dict[str, Any] = {FIELD_OF[stage.result_type]: outcome}
        return Answer(**found)

    def _seconds(self, stage: VideoStage) -> float:
        kind = stage.result_type
        limit = self.video_seconds if kind is Transcript else self.segment_seconds
        return min(limit, SECONDS_OF.get(kind, limit))

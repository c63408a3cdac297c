"""The work on one video: its length, then the labels and timeline, or the transcript, of each model that was asked for.

    file ─► length ─┬► features, segment by segment ─► row ─► each classifier of these features ─┐
                    ├► each classifier that watches the video itself, segment by segment ────────┼► results
                    └► each lip reader, in one piece ────────────────────────────────────────────┘

Tasks, their retries and the assembly of segments are those of the jobs (`cluster.engines.tasks`,
`cluster.extraction.assembler`, `cluster.scoring.timeline_assembler`), so that results equal what the jobs write. Here
they are handed to replicas; one that is lost over a task costs one attempt of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from ray.exceptions import RayActorError

from classifiers.inference.timelines import mean_labels
from cluster.engines.base import WorkerLoss
from cluster.engines.tasks import Done, Failed, Outcome, Task, TaskQueue
from cluster.extraction.assembler import Assembler
from cluster.scoring.label_writer import VideoLabels
from cluster.scoring.timeline_assembler import TimelineAssembler
from cluster.serving.application import Handles
from cluster.serving.decoding import Step
from cluster.serving.deployments import FrameFeatures
from cluster.serving.length import VideoLength
from cluster.serving.models import LENGTH, ServedClassifier, ServedModel, ServedModels
from cluster.serving.readers import ServedReader
from cluster.transcription.transcriber import Transcript
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.outcomes import FailureCode
from schemas.videos import Video

POLL_SECONDS = 0.05
SEGMENTS_AT_ONCE = 4  # of one video, so that others get their turn
ATTEMPTS = 2  # at a classifier

Settled = TypeVar("Settled", VideoLabels, FeatureRow)
Decode = Callable[[Task], Awaitable[Outcome | WorkerLoss]]


class WorkError(Exception):
    """A video that cannot be labelled, or read: a code, and a message for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


Found = VideoLabels | Transcript | WorkError


class Progress(Protocol):
    """Hears how far the work has come."""

    def __call__(self, *, done: float, length: VideoLength | None = None, is_classifying: bool = False) -> None:
        """The share that is done; the length of the video, once it is known."""


@dataclass(frozen=True)
class VideoWork:
    """Works through videos with the deployments behind `handles`."""

    served: ServedModels
    handles: Handles
    top_k: int

    async def __call__(self, video: Video, names: tuple[str, ...], progress: Progress) -> dict[str, Found]:
        """What these models find in a video; of a lip reader that fails, why, where others find something.

        Raises `WorkError` for a video in which none finds anything.
        """
        length = await self._length(video)
        progress(done=0.0, length=length)
        by_stage: dict[str, list[ServedModel]] = {}
        for name in names:
            model = self.served.models[name]
            by_stage.setdefault(model.stage, []).append(model)
        shares = dict.fromkeys(by_stage, 0.0)

        def advance(stage: str, share: float, *, is_classifying: bool = False) -> None:
            shares[stage] = share
            progress(done=sum(shares.values()) / len(shares), is_classifying=is_classifying)

        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(self._stage(video, key, own, advance)) for key, own in by_stage.items()]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        found = {name: one for part in parts for name, one in part.result().items()}
        failures = [one for one in found.values() if isinstance(one, WorkError)]
        if len(failures) == len(found):
            raise failures[0]
        return {name: found[name] for name in names}

    async def _length(self, video: Video) -> VideoLength:
        async with aclosing(self._outcomes(video, LENGTH)) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Failed):
                    raise WorkError(outcome.code, outcome.message)
                length: VideoLength = outcome.features
                return length
        raise WorkError(FailureCode.INTERNAL, "it has no length")

    async def _stage(
        self, video: Video, key: str, models: list[ServedModel], advance: Callable[..., None]
    ) -> Mapping[str, Found]:
        model, *_ = models
        if isinstance(model, ServedReader):
            return {model.name: await self._read(video, model, advance)}
        if model.grid is None:
            return {model.name: await self._watched(video, model, advance)}
        row = await self._features(video, key, advance)
        advance(key, 1.0, is_classifying=True)
        classifiers = self.served.classifiers
        return {model.name: await self._classified(video, row, classifiers[model.name]) for model in models}

    async def _read(self, video: Video, model: ServedReader, advance: Callable[..., None]) -> Transcript | WorkError:
        async with aclosing(self._outcomes(video, model.stage)) as outcomes:
            async for outcome in outcomes:
                advance(model.stage, 1.0)
                if isinstance(outcome, Failed):
                    return WorkError(outcome.code, outcome.message)
                transcript: Transcript = outcome.features
                return transcript
        raise WorkError(FailureCode.INTERNAL, "it has no transcript")

    async def _watched(self, video: Video, model: ServedClassifier, advance: Callable[..., None]) -> VideoLabels:
        assembler = TimelineAssembler("", num_classes=model.trained.config.num_classes, top_k=self.top_k)
        done = 0
        async with aclosing(self._outcomes(video, model.stage)) as outcomes:
            async for outcome in outcomes:
                settled = assembler.add(outcome)
                if settled is not None:
                    return _checked(settled)
                done += 1
                advance(model.stage, done / _count(outcome, done))
        raise WorkError(FailureCode.INTERNAL, "its segments do not make a video")

    async def _features(self, video: Video, key: str, advance: Callable[..., None]) -> FeatureRow:
        done = 0
        with closing(Assembler(lambda video: (), "", self.served.sampling[key])) as assembler:
            async with aclosing(self._outcomes(video, key)) as outcomes:
                async for outcome in outcomes:
                    row = await asyncio.to_thread(assembler.add, outcome)
                    if row is not None:
                        return _checked(row)
                    done += 1
                    advance(key, done / _count(outcome, done))
        raise WorkError(FailureCode.INTERNAL, "its segments do not make a video")

    async def _classified(self, video: Video, row: FeatureRow, model: ServedClassifier) -> VideoLabels:
        assert row.rgb is not None
        assert row.audio is not None
        features = FrameFeatures(np.asarray(row.rgb), np.asarray(row.audio), row.gaps)
        for attempt in range(ATTEMPTS):
            try:
                timeline = await self.handles.classifiers[model.name].timeline.remote(features)
            except RayActorError:
                if attempt + 1 == ATTEMPTS:
                    raise
            else:
                break
        return VideoLabels(video, *mean_labels(timeline, self.top_k), timeline)

    def _outcomes(self, video: Video, stage: str) -> AsyncGenerator[Outcome]:
        async def decode(task: Task) -> Outcome | WorkerLoss:
            call = self.handles.decoder.carry_out.remote(Step(stage, task))
            try:
                answer: Outcome | WorkerLoss = await call
            except asyncio.CancelledError:
                call.cancel()
                raise
            except RayActorError as error:
                return WorkerLoss(str(error))
            return answer

        return outcomes_of(TaskQueue([video]), decode)


async def outcomes_of(queue: TaskQueue, decode: Decode) -> AsyncGenerator[Outcome]:
    """The final outcomes of a queue, as they come; closing the iterator cancels what is in work."""
    running: dict[asyncio.Task[Outcome | WorkerLoss], Task] = {}
    try:
        while not queue.is_over:
            while len(running) < SEGMENTS_AT_ONCE and (batch := queue.take_batch(1)):
                running |= {asyncio.ensure_future(decode(task)): task for task in batch}
            if not running:
                await asyncio.sleep(POLL_SECONDS)  # all remaining tasks wait for their next attempt
                continue
            finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for call in finished:
                task, answer = running.pop(call), call.result()
                if isinstance(answer, WorkerLoss):
                    for lost in queue.settle_lost([task], answer):
                        yield lost
                elif (final := queue.settle(answer)) is not None:
                    yield final
    finally:
        for call in running:
            call.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _count(outcome: Outcome, least: int) -> int:
    """The number of a video's segments."""
    segment = outcome.features.segment if isinstance(outcome, Done) else outcome.task.segment
    return max(segment.count if segment else 1, least)


def _checked(settled: Settled | FailureRow) -> Settled:
    """What has become of a video, if it is no failure."""
    if isinstance(settled, FailureRow):
        raise WorkError(settled.code, settled.message)
    return settled

"""The work on videos, with real stages in this process in place of replicas, some of which are lost."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError

from cluster.engines.base import WorkerLoss
from cluster.serving.application import Handles
from cluster.serving.config import ServeOptions
from cluster.serving.decoding import StageWorker, Step
from cluster.serving.length import VideoLength
from cluster.serving.models import LENGTH, ServedModels, read_models
from cluster.serving.work import VideoWork, WorkError
from schemas.videos import Video
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_stream, write_clip_videos
from tests.support.lips import fixed_lips, signing, write_lips
from tests.support.serving import LocalHandle
from tests.support.talking import write_frames


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> ServedModels:
    folder = write_trained(tmp_path_factory.mktemp("work") / "stream", trained_stream())
    return read_models(ServeOptions.of(checkpoint=(folder,), segment_seconds=1))


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Video:
    (path,) = write_clip_videos(tmp_path_factory.mktemp("videos"), 1, frames=75)
    return Video("an id", str(path))


class Replica:
    """A decoder here; the attempts of the step number `lost_at` end as `losses` say."""

    def __init__(self, served: ServedModels, lost_at: int = 0, losses: tuple[Any, ...] = ()) -> None:
        self._worker = StageWorker(served.stages, 8 << 30, 100.0, 100.0)
        self._worker.setup()
        self._lost_at, self._losses = lost_at, list(losses)
        self.steps: list[str] = []

    def __call__(self, step: Step) -> Any:
        self.steps.append(f"{step.stage} {step.task.segment.index if step.task.segment else 0}")
        if len(self.steps) > self._lost_at and self._losses:
            loss = self._losses.pop(0)
            if isinstance(loss, Exception):
                raise loss
            return loss
        return self._worker(step).outcome


def work_on(served: ServedModels, video: Video, replica: Replica) -> tuple[Any, list[float]]:
    heard: list[float] = []

    def progress(*, done: float, length: VideoLength | None = None, is_classifying: bool = False) -> None:
        heard.append(done)

    work = VideoWork(served, Handles(LocalHandle(carry_out=replica), {}, {}), 20)
    return asyncio.run(work(video, ("stream",), progress))["stream"], heard


@pytest.fixture(scope="module")
def expected(served, video):
    return work_on(served, video, Replica(served))


def test_segments_follow_one_another_and_progress_is_heard(served, video, expected):
    labels, heard = expected
    assert labels.timeline.numbers.tolist() == [0, 1, 2]
    assert heard == pytest.approx([0.0, 1 / 3, 2 / 3])


@pytest.mark.parametrize("loss", [WorkerLoss("gone"), ActorDiedError()])
@pytest.mark.parametrize("lost_at", [0, 2])
def test_a_replica_that_is_lost_costs_an_attempt(served, video, expected, lost_at, loss):
    replica = Replica(served, lost_at, (loss,))
    labels, _ = work_on(served, video, replica)
    assert len(replica.steps) == 5  # the length, three segments, and one of them again
    np.testing.assert_array_equal(labels.timeline.scores, expected[0].timeline.scores)
    np.testing.assert_array_equal(labels.scores, expected[0].scores)


def test_a_video_that_costs_two_is_given_up(served, video):
    with pytest.raises(WorkError) as caught:
        work_on(served, video, Replica(served, 1, (WorkerLoss("gone"), WorkerLoss("gone"))))
    assert caught.value.code == "worker_died"
    with pytest.raises(WorkError) as caught:
        work_on(served, video, Replica(served, 0, (WorkerLoss("late", exceeded_seconds=9.0),) * 2))
    assert caught.value.code == "time_limit"


def test_what_is_no_video_ends_at_its_length(served, tmp_path):
    (tmp_path / "v").write_text("no video at all")
    replica = Replica(served)
    with pytest.raises(WorkError) as caught:
        work_on(served, Video("id", str(tmp_path / "v")), replica)
    assert caught.value.code == "not_media"
    assert replica.steps == [f"{LENGTH} 0"]


def test_work_that_is_cancelled_cancels_its_calls(served, video):
    async def scene() -> LocalHandle:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        replica = Replica(served)

        def slow(step: Step) -> Any:
            if step.stage != LENGTH:
                loop.call_soon_threadsafe(begun.set)
            return replica(step)

        handle = LocalHandle(carry_out=slow)
        work = VideoWork(served, Handles(handle, {}, {}), 20)
        task = asyncio.create_task(work(video, ("stream",), lambda **_: None))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return handle

    calls = asyncio.run(scene()).calls
    assert [call.is_cancelled for call in calls] == [False, True]


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> ServedModels:
    """A lip reader beside a classifier."""
    folder = tmp_path_factory.mktemp("beside")
    places = write_trained(folder / "stream", trained_stream()), write_lips(folder / "reader", fixed_lips(seed=1))
    return read_models(ServeOptions.of(checkpoint=places))


def found_by(served: ServedModels, video: Video, *names: str) -> Any:
    work = VideoWork(served, Handles(LocalHandle(carry_out=Replica(served)), {}, {}), 20)
    return asyncio.run(work(video, names, lambda **_: None))


def test_a_lip_reader_reads_a_video_in_one_piece(beside, tmp_path):
    video = Video("id", str(write_frames(tmp_path / "v.mp4", signing("ab"))))
    found = found_by(beside, video, "reader", "stream")
    assert list(found) == ["reader", "stream"]
    assert (found["reader"].num_frames, found["reader"].coverage) == (10, 1.0)
    assert found["stream"].timeline is not None


def test_a_lip_reader_that_fails_costs_the_others_nothing(beside, video):
    found = found_by(beside, video, "stream", "reader")  # whose frames have no fixed place of a mouth
    assert (found["reader"].code, found["stream"].timeline is None) == ("no_face", False)
    with pytest.raises(WorkError) as caught:
        found_by(beside, video, "reader")
    assert caught.value.code == "no_face"

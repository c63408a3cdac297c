"""The engine on a cluster of its own: what it does when actors are killed or cannot start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray

from cluster.engines.base import EngineError
from cluster.engines.options import EngineOptions
from cluster.engines.ray import RayEngine, _Run
from cluster.engines.ray_cluster import FileCopies
from cluster.engines.ray_workers import WorkerActor
from cluster.engines.tasks import Done, Task, TaskQueue
from cluster.engines.worker import Worker
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.plan import make_plan, read_inputs
from extractors.extract import Extractor
from schemas.videos import Video
from tests.support.videos import Clip, write_video

CONFIG = EngineOptions(workers=2)


class UnreadyWorker(Worker[Extractor]):
    """Has a machine without room for the networks."""

    def setup(self) -> None:
        raise OSError("no room for the networks")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Worker[Extractor]:
    """What the job gives to its engine, with seeded weights."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", Clip(frames=30, width=96, height=48))
    weights = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
    config = ExtractionOptions.of(input=str(folder), output=str(folder / "out"), **weights)
    return make_plan(config, read_inputs(config), on_gpu=False).worker


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    """Enough to be in the middle of them."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [write_video(folder / f"{n}.mp4", Clip(frames=75, width=96, height=48)) for n in range(12)]
    return [Video(path.stem, str(path)) for path in paths]


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    """An engine with a cluster of its own."""
    engine = RayEngine(CONFIG)
    yield engine
    engine.close()


def test_actors_that_are_killed_lose_no_video(
    engine: RayEngine, worker: Worker[Extractor], videos: list[Video]
) -> None:
    queue = TaskQueue(videos)
    run = _Run(CONFIG, queue, ray.put((worker, engine.file_copies(worker))), 0)
    outcomes = run.outcomes()
    found = [next(outcomes)]
    lost = next(slot for slot in run._slots if slot.on_hand)
    at_its_head = {task.video.id for task in lost.on_hand[0][1]}
    ray.kill(lost.actor)
    found += outcomes
    run.close()
    assert all(isinstance(outcome, Done) for outcome in found)
    assert sorted(outcome.task.video.id for outcome in found) == sorted(video.id for video in videos)
    assert queue.workers_lost == 1
    assert not queue.nodes_lost
    assert queue.retried <= at_its_head, "at most the handful at its head, and not the one behind it"


def test_a_worker_begins_no_task_of_a_handful_when_its_time_is_up(
    worker: Worker[Extractor], videos: list[Video]
) -> None:
    actor = WorkerActor()
    actor.setup((worker, FileCopies.of([], needed=False)))
    handful = [Task(video) for video in videos[:3]]
    assert [outcome.task for outcome in actor.work(handful, 0.0)] == handful[:1]
    assert [outcome.task for outcome in actor.work(handful, 600.0)] == handful


def test_workers_that_cannot_start_end_the_run_with_the_reason(
    engine: RayEngine, worker: Worker[Extractor], videos: list[Video]
) -> None:
    unready = UnreadyWorker(worker.stage, 1 << 30, 60.0)
    with pytest.raises(EngineError, match=r"(?s)3 workers in a row could not start.*no room for the networks"):
        list(engine.run(TaskQueue(videos), unready))

"""The engine on a cluster of its own: what it does when actors are killed, cannot start, or have no room."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import OutOfMemoryError
from ray.util import placement_group, remove_placement_group
from typing_extensions import override

from cluster.engines.base import EngineError
from cluster.engines.options import EngineOptions
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.ray import RayEngine, RayRun
from cluster.engines.ray_cluster import FileCopies
from cluster.engines.ray_workers import WorkerActor, WorkerHandle
from cluster.engines.tasks import Done, Task, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.scoring.feature_scorer import FeatureScorer, Portion
from extractors.extract import Extractor
from schemas.videos import Video
from tests.support.clusters import command_of, descendants
from tests.support.engines import portions_of_features, video_worker
from tests.support.items import Answer, Item, ItemWorker
from tests.support.videos import Clip, write_video

OPTIONS = EngineOptions(workers=2)
PORTIONS = 16


class UnreadyWorker(VideoWorker[Extractor]):
    """Has a machine without room for the networks."""

    @override
    def setup(self) -> None:
        raise OSError("no room for the networks")


class LargeWorker(ItemWorker):
    """At its first attempt at an item with a mark, it is the largest on a machine without memory."""

    @override
    def __call__(self, task: Item) -> Answer:
        if task.mark and not Path(task.mark).exists():
            Path(task.mark).touch()
            raise OutOfMemoryError("1 worker was killed: the machine runs low on memory")
        return super().__call__(task)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> VideoWorker[Extractor]:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", Clip(frames=30, width=96, height=48))
    return video_worker(folder)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    """Enough to be in the middle of them."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [write_video(folder / f"{n}.mp4", Clip(frames=75, width=96, height=48)) for n in range(12)]
    return [Video(path.stem, str(path)) for path in paths]


@pytest.fixture(scope="module")
def portions(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Portion], FeatureScorer]:
    return portions_of_features(tmp_path_factory.mktemp("features"), PORTIONS)


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    """An engine with a cluster of its own."""
    with closing(RayEngine(OPTIONS)) as engine:
        yield engine


@contextmanager
def all_cores_taken() -> Iterator[Any]:
    """Others have every core of the cluster; gives what they hold."""
    held = placement_group([{"CPU": ray.cluster_resources()["CPU"]}])
    ray.get(held.ready(), timeout=60)
    try:
        yield held
    finally:
        remove_placement_group(held)


class WhenLogged(logging.Handler):
    """Does something at a line of the log."""

    def __init__(self, text: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._text, self._act = text, act

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self._act()


def test_actors_that_are_killed_lose_no_video(
    engine: RayEngine, worker: VideoWorker[Extractor], videos: list[Video]
) -> None:
    queue = TaskQueue(videos)
    run = RayRun(OPTIONS, queue, worker, engine.file_copies(worker))
    outcomes = run.outcomes()
    found = [next(outcomes)]
    lost = next(handle for handle in run.workers if handle.on_hand)
    ray.kill(lost.actor)
    found += outcomes
    run.close()
    assert all(isinstance(outcome, Done) for outcome in found)
    assert sorted(outcome.task.video.id for outcome in found) == sorted(video.id for video in videos)
    assert queue.workers_lost == 1
    assert not queue.nodes_lost
    at_its_head = {task.video.id for task in lost.on_hand[0][1]} if lost.on_hand else set()
    assert queue.retried == at_its_head, "the batch at its head when it was lost, and not the one behind it"


def test_a_worker_that_is_killed_loses_no_portion(
    engine: RayEngine, portions: tuple[list[Portion], FeatureScorer]
) -> None:
    parts, scorer = portions
    queue = PortionQueue(parts)
    outcomes = engine.run(queue, scorer)
    found = [next(outcomes)]
    actors = [process for process in descendants(os.getpid()) if "ray::WorkerActor" in command_of(process)]
    assert actors
    os.kill(actors[0], signal.SIGKILL)
    found += outcomes
    assert sorted(scored.number for scored in found) == list(range(PORTIONS))
    assert all(scored.shard and not scored.unread for scored in found)


def test_a_worker_begins_no_task_of_a_batch_when_its_time_is_up(
    worker: VideoWorker[Extractor], videos: list[Video]
) -> None:
    actor = WorkerActor()
    actor.setup((worker, FileCopies.of([], needed=False)))
    batch = [Task(video) for video in videos[:3]]
    assert [outcome.task for outcome in actor.work(batch, 0.0)] == batch[:1]
    assert [outcome.task for outcome in actor.work(batch, 600.0)] == batch


@pytest.mark.heavy
def test_workers_that_cannot_start_end_the_run_with_the_reason(
    engine: RayEngine, worker: VideoWorker[Extractor], videos: list[Video]
) -> None:
    unready = UnreadyWorker(worker.stage, 1 << 30, 60.0)
    with pytest.raises(EngineError, match=r"(?s)3 workers in a row could not start.*no room for the networks"):
        list(engine.run(TaskQueue(videos), unready))


def test_a_worker_that_ray_ends_for_its_memory_is_replaced(engine: RayEngine, tmp_path: Path) -> None:
    queue = PortionQueue([Item(0), Item(1, mark=str(tmp_path / "mark")), Item(2)])
    assert sorted(answer.text for answer in engine.run(queue, LargeWorker())) == ["0", "1", "2"]
    assert (queue.workers_lost, queue.retried) == (1, {"1"})


def test_what_a_worker_answered_before_it_was_lost_is_kept(engine: RayEngine, tmp_path: Path) -> None:
    worker: WorkerHandle[Item, Answer] = WorkerHandle.start(
        ray.put((LargeWorker(), FileCopies.of([], needed=False))), {}
    )
    for answered in (worker.greeting, worker.loading):
        ray.wait([answered])
        assert worker.collect({answered}) == ([], [])
    worker.give([Item(0)], 600.0)
    worker.give([lost := Item(1, mark=str(tmp_path / "mark"))], 600.0)
    ready, _ = ray.wait(worker.references, num_returns=2)
    assert [answer.text for answer in worker.collect(set(ready))[0]] == ["0"]
    with pytest.raises(OutOfMemoryError):
        worker.collect(set(ready))
    assert worker.tasks == [lost]
    worker.kill()


def test_scoring_gives_up_where_there_is_no_room(
    engine: RayEngine, portions: tuple[list[Portion], FeatureScorer], caplog: pytest.LogCaptureFixture
) -> None:
    parts, scorer = portions
    impatient = RayEngine(EngineOptions(cluster_wait=2.0))
    with (
        all_cores_taken(),
        pytest.raises(EngineError, match="no free CPU core, all are in use; what is committed stays"),
    ):
        next(impatient.run(PortionQueue(parts), scorer))
    assert caplog.text.count("waiting for a free CPU core in the cluster; all are in use") == 1


def test_embedders_that_leave_no_core_to_a_worker_are_refused_at_once(
    engine: RayEngine, worker: VideoWorker[Extractor], videos: list[Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = engine.machine().cpus
    monkeypatch.setattr(engine, "_options", EngineOptions(pools="apart", embed_workers=cores))
    with pytest.raises(EngineError, match=rf"--embed-workers.* need {cores + 1} CPU cores, and there are {cores} here"):
        next(engine.run(TaskQueue(videos), worker))


@pytest.mark.parametrize("kind", ["portions", "videos"])
def test_a_run_continues_once_there_is_room(
    kind: str,
    engine: RayEngine,
    worker: VideoWorker[Extractor],
    videos: list[Video],
    portions: tuple[list[Portion], FeatureScorer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cluster.engines.ray.WARN_SECONDS", 1.0)
    parts, scorer = portions
    logger = logging.getLogger("framemill")
    with all_cores_taken() as held:
        heard = WhenLogged("waiting for a free CPU core", lambda: remove_placement_group(held))
        logger.addHandler(heard)
        try:
            if kind == "portions":
                found = sorted(scored.number for scored in engine.run(PortionQueue(parts), scorer))
                assert found == list(range(PORTIONS))
            else:
                # Videos outwait others: half of the usual time to give up has passed by now.
                patient = RayEngine(EngineOptions(workers=2, cluster_wait=1.0))
                assert len(list(patient.run(TaskQueue(videos), worker))) == len(videos)
        finally:
            logger.removeHandler(heard)

"""What all engines do alike, with both kinds of work: one suite, so that none falls behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
from typing_extensions import override

from cluster.engines.base import ONE_CORE, Engine, EngineError, Resources, Worker
from cluster.engines.local import LocalEngine
from cluster.engines.options import EngineOptions
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.registry import make_engine
from cluster.engines.tasks import Done, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.storage import video_source
from cluster.storage.retry import RetryPolicy
from extractors.extract import Extractor
from schemas.outcomes import FailureCode
from schemas.timelines import Timeline, joined_timeline
from schemas.videos import Video
from tests.support.clips import write_clip_videos
from tests.support.engines import clip_worker, portions_of_features, stream_worker, video_worker, window_worker
from tests.support.items import DyingStage, HeldInterpreter, ScriptedWorker
from tests.support.servers import http_files
from tests.support.videos import Clip, write_video

PORTIONS = 16


class ImpatientWorker(VideoWorker[Extractor]):
    """Does not retry reads by itself."""

    @override
    def setup(self) -> None:
        video_source.RETRY_POLICY = RetryPolicy(total_seconds=0.0)
        super().setup()


@dataclass(frozen=True)
class Part:
    """A portion that takes no time."""

    number: int

    @property
    def key(self) -> str:
        return str(self.number)


class Doubler(Worker[Part, int]):
    """Fails at the portions that it is told to."""

    def __init__(self, bad: tuple[int, ...] = (), resources: Resources = ONE_CORE) -> None:
        self._bad, self._resources = bad, resources

    @property
    @override
    def resources(self) -> Resources:
        return self._resources

    @property
    @override
    def outcome_type(self) -> type[int]:
        return int

    @override
    def setup(self) -> None:
        pass

    @override
    def __call__(self, task: Part) -> int:
        if task.number in self._bad:
            raise RuntimeError(f"no result for {task.number}")
        return 2 * task.number


@pytest.fixture(scope="module", params=["local", "ray", pytest.param("beam", marks=pytest.mark.heavy)])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    # Beam's worker is in the process of its pipeline here, which starts sooner; those of test_beam have their own.
    options = EngineOptions(engine=request.param, workers=2, beam_options=("runner=FnApiRunner",))
    with closing(make_engine(options, str(tmp_path_factory.mktemp("run") / "staging"))) as engine:
        yield engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", Clip(frames=30, width=96, height=48))
    write_video(folder / "long.mp4", Clip(frames=80, width=96, height=48, gop=10))
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def worker(folder) -> VideoWorker[Extractor]:
    return video_worker(folder, segment_seconds=1)


@pytest.fixture(scope="module")
def portions(tmp_path_factory: pytest.TempPathFactory):
    return portions_of_features(tmp_path_factory.mktemp("features"), PORTIONS)


def videos_in(folder) -> list[Video]:
    return [Video(name, f"{folder}/{name}.mp4") for name in ("a", "long", "text", "none")]


def by_segment(outcomes):
    found = {
        (outcome.task.video.id, outcome.features.segment.index): outcome.features
        for outcome in outcomes
        if isinstance(outcome, Done)
    }
    return dict(sorted(found.items()))


@pytest.fixture(scope="module")
def extracted(engine, folder, worker):
    """The queue and the outcomes of a run over all videos."""
    queue = TaskQueue(videos_in(folder), thumbnails=["long"])
    return queue, list(engine.run(queue, worker))


def test_every_video_is_settled(extracted):
    queue, outcomes = extracted
    assert queue.is_over
    features = by_segment(outcomes)
    assert {key: part.num_frames for key, part in features.items()} == dict.fromkeys(
        [("a", 0), ("a", 1), ("long", 0), ("long", 1), ("long", 2), ("long", 3)], 1
    )
    assert [key for key, part in features.items() if part.thumbnail is not None] == [("long", 0)]
    codes = {outcome.task.video.id: outcome.code for outcome in outcomes if not isinstance(outcome, Done)}
    assert codes == {"text": FailureCode.NOT_MEDIA, "none": FailureCode.MISSING}
    assert (queue.retried, queue.workers_lost, queue.nodes_lost) == (set(), 0, set())


def test_features_of_videos_are_equal_to_the_bit(extracted, folder, worker):
    expected = by_segment(LocalEngine().run(TaskQueue(videos_in(folder)), worker))
    found = by_segment(extracted[1])
    assert found.keys() == expected.keys()
    for key, part in expected.items():
        np.testing.assert_array_equal(found[key].rgb_sum, part.rgb_sum)
        np.testing.assert_array_equal(found[key].audio_sum, part.audio_sum)


def test_transient_failures_are_retried_after_a_while(engine, folder, worker, monkeypatch):
    monkeypatch.setattr(video_source, "RETRY_POLICY", video_source.RETRY_POLICY)  # restored after the worker's setup
    with http_files(folder) as url:
        videos = [
            Video("busy", f"{url}/status/503/a.mp4"),
            Video("text", f"{url}/text.mp4"),
            Video("a", f"{url}/a.mp4"),
        ]
        queue = TaskQueue(videos, backoff_seconds=(0.05, 0.05))
        outcomes = list(engine.run(queue, ImpatientWorker(worker.stage, 1 << 30, 60.0)))
    attempts = sorted((outcome.task.video.id, outcome.task.attempt) for outcome in outcomes)
    assert attempts == [("a", 1), ("a", 1), ("busy", 3), ("text", 1)]
    assert {outcome.code for outcome in outcomes if outcome.task.video.id == "busy"} == {FailureCode.STORAGE}
    assert queue.retried == {"busy"}


def test_work_that_holds_the_interpreter_meets_its_limits_and_costs_no_other_video(engine, tmp_path):
    texts = {"a": "fine", "b": "wait", "c": "fine", "d": "take memory", "e": "fine"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    queue = TaskQueue([Video(name, str(tmp_path / name)) for name in texts])
    outcomes = list(engine.run(queue, VideoWorker(HeldInterpreter(), 200 << 20, 2.0)))
    failures = {outcome.task.video.id: outcome for outcome in outcomes if not isinstance(outcome, Done)}
    assert {name: (failed.code, failed.message, failed.task.attempt) for name, failed in failures.items()} == {
        "b": (FailureCode.TIME_LIMIT, "one segment of it took more than 2 s (--time-limit)", 2),
        "d": (FailureCode.MEMORY_LIMIT, "one segment of it took more than 200 MiB (--memory-limit-mib)", 2),
    }
    assert sorted(outcome.task.video.id for outcome in outcomes) == list(texts)


def test_segments_that_go_on_from_one_another_are_carried_out_in_order(engine):
    counts = {"chain": 6, "chain-die": 4, "chain-damaged": 5}
    videos = [Video(name, f"{name} {count}") for name, count in counts.items()] + [Video("sleep", "sleep 1")]
    queue = TaskQueue(videos)
    outcomes = list(engine.run(queue, ScriptedWorker()))
    found = {name: [one for one in outcomes if one.task.video.id == name] for name in counts}
    for name, count in {**counts, "chain-damaged": 2}.items():
        links = [one for one in found[name] if isinstance(one, Done)]
        assert [link.features.text for link in links] == [f"{index} before it" for index in range(count)], name
        assert all(link.others == () and not link.task.is_chained for link in links)
    (failure,) = [one for one in outcomes if not isinstance(one, Done)]
    assert (failure.task.key, failure.code) == ("2 chain-damaged", FailureCode.DAMAGED)
    assert (queue.is_over, queue.retried, queue.workers_lost) == (True, {"chain-die"}, 1)


def test_labels_of_portions_are_equal_to_the_bit(engine, portions):
    parts, scorer = portions
    expected = {part.number: (scored.shard, scored.ledger) for part in parts for scored in [scorer(part)]}
    outcomes = list(engine.run(PortionQueue(parts), scorer))
    assert len(outcomes) == PORTIONS
    assert {scored.number: (scored.shard, scored.ledger) for scored in outcomes} == expected


@pytest.mark.heavy
def test_labels_and_embeddings_of_clips_are_equal_to_the_bit(engine, tmp_path):
    videos = [Video(path.stem, str(path)) for path in write_clip_videos(tmp_path, 4)]
    worker = clip_worker(tmp_path)
    expected = {outcome.task.video: outcome.features for outcome in LocalEngine().run(TaskQueue(videos), worker)}
    found = {outcome.task.video: outcome.features for outcome in engine.run(TaskQueue(videos), worker)}
    assert found.keys() == expected.keys() == set(videos)
    for video, scores in expected.items():
        for name in ("places", "scores", "embedding"):
            array, other = getattr(scores, name), getattr(found[video], name)
            assert (array.dtype, array.tobytes()) == (other.dtype, other.tobytes())


@pytest.mark.heavy
def test_timelines_of_windows_are_equal_to_the_bit(engine, tmp_path):
    """The long video in four segments, which any worker may take, in any order."""
    paths = [*write_clip_videos(tmp_path, 2), write_video(tmp_path / "long.mp4", Clip(frames=80, width=96, height=48))]
    videos = [Video(path.stem, str(path)) for path in paths]
    worker = window_worker(tmp_path, stride=0.4)
    expected = by_segment(LocalEngine().run(TaskQueue(videos), worker))
    found = by_segment(engine.run(TaskQueue(videos), worker))
    assert [index for name, index in found if name == "long"] == [0, 1, 2, 3]
    assert sum(len(part.timeline.numbers) for (name, _), part in found.items() if name == "long") == 8
    assert found.keys() == expected.keys()
    for key, part in expected.items():
        for name in ("numbers", "places", "scores", "strong_steps", "strong_scores", "probability_sum"):
            array, other = getattr(part.timeline, name), getattr(found[key].timeline, name)
            assert (array.dtype, array.tobytes()) == (other.dtype, other.tobytes())


def test_timelines_of_features_are_equal_to_the_bit(engine, tmp_path):
    parts, scorer = portions_of_features(tmp_path, 3, 4, frames=9, timeline=True, timeline_hz=0.5)
    expected = {part.number: scorer(part).shard for part in parts}
    found = {scored.number: scored.shard for scored in engine.run(PortionQueue(parts), scorer)}
    assert found == expected
    assert len(found) == 3


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory):
    """Videos, the worker that gives their timelines in segments of two seconds, and these as this process has them."""
    folder = tmp_path_factory.mktemp("streamed")
    frames = {"short": 30, "long": 80, "longer": 190}  # 25 a second
    clips = {name: Clip(frames=count, width=96, height=48, gop=10) for name, count in frames.items()}
    videos = [Video(name, str(write_video(folder / f"{name}.mp4", clip))) for name, clip in clips.items()]
    worker = stream_worker(folder, precision="fp32")
    threads = torch.get_num_threads()
    worker.setup()
    queue, outcomes = TaskQueue(videos), []
    while (task := queue.take()) is not None:
        outcomes.append(queue.settle(worker(task)))
    torch.set_num_threads(threads)
    return videos, worker, timelines_of(outcomes)


def timelines_of(outcomes):
    """By video; each outcome must have succeeded."""
    parts = {(outcome.task.video.id, outcome.features.segment.index): outcome.features for outcome in outcomes}
    names = {name for name, _ in parts}
    return {
        name: joined_timeline([part.timeline for key, part in sorted(parts.items()) if key[0] == name])
        for name in names
    }


def test_timelines_are_equal_to_the_bit_though_a_worker_dies_and_nothing_is_seen_twice(engine, streamed, tmp_path):
    videos, worker, expected = streamed
    assert {name: len(timeline.numbers) for name, timeline in expected.items()} == {"short": 2, "long": 4, "longer": 8}
    queue = TaskQueue(videos)
    dying = VideoWorker(DyingStage(worker.stage, tmp_path, dies_at=2), 1 << 30, 60.0)
    found = timelines_of(engine.run(queue, dying))
    for name, timeline in expected.items():
        for field in fields(Timeline):
            np.testing.assert_array_equal(getattr(found[name], field.name), getattr(timeline, field.name))
    given = Counter((tmp_path / "given").read_text().splitlines())
    once = ["short 0", "long 0", "long 1", "longer 0", "longer 1", "longer 3"]
    assert given == {**dict.fromkeys(once, 1), "longer 2": 2}
    assert (queue.workers_lost, queue.retried) == (1, {"longer"})


@pytest.mark.heavy
def test_one_engine_does_both_kinds_of_work_in_turn(engine, folder, worker, portions):
    parts, scorer = portions
    for _ in range(2):
        assert len(list(engine.run(PortionQueue(parts), scorer))) == PORTIONS
        assert len(list(engine.run(TaskQueue(videos_in(folder)[:1]), worker))) == 2


@pytest.mark.parametrize("resources", [ONE_CORE, Resources(shares_process=True)], ids=["process", "thread"])
def test_every_portion_is_carried_out_once(engine, resources):
    queue = PortionQueue([Part(number) for number in range(100)])
    assert sorted(engine.run(queue, Doubler(resources=resources))) == list(range(0, 200, 2))
    assert queue.is_over
    assert (queue.retried, queue.workers_lost) == (set(), 0)


def test_nothing_to_do_is_over_at_once(engine):
    assert list(engine.run(PortionQueue[Part, int](()), Doubler())) == []
    assert list(engine.run(TaskQueue(()), Doubler())) == []


def test_an_error_of_the_worker_ends_the_run_with_its_reason(engine):
    with pytest.raises(EngineError, match=r"(?s)a worker failed, through no fault of its input.*no result for 7"):
        list(engine.run(PortionQueue([Part(number) for number in range(20)]), Doubler(bad=(7,))))


def test_a_run_that_is_left_early_does_not_disturb_the_next(engine):
    parts = [Part(number) for number in range(50)]
    with closing(engine.run(PortionQueue(parts), Doubler())) as outcomes:
        next(outcomes)
    assert len(list(engine.run(PortionQueue(parts), Doubler()))) == len(parts)


def test_the_machine_names_the_engine(engine):
    machine = engine.machine()
    assert (machine.engine in ("local", "ray", "beam"), machine.nodes, machine.gpus) == (True, 1, 0)
    assert machine.cpus >= 1

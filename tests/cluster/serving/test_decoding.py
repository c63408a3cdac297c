from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.engines.base import WorkerLoss
from cluster.engines.task_process import TaskProcess
from cluster.engines.tasks import Done, Failed, Task
from cluster.serving.config import ServeOptions
from cluster.serving.decoding import Answer, StageWorker, Step
from cluster.serving.models import LENGTH, STILL, read_models
from schemas.videos import Video
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream, write_clip_videos
from tests.support.lips import fixed_lips, signing, write_lips
from tests.support.talking import write_frames


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decoding")
    names = [write_trained(folder / "s", trained_stream()), write_trained(folder / "c", trained_clips(fps="5"))]
    names.append(write_lips(folder / "r", fixed_lips(seed=1)))
    served = read_models(ServeOptions.of(checkpoint=tuple(names), stride=0.5))
    return StageWorker(served.stages, 2 << 30, 30.0, 60.0)


def test_networks_that_can_run_elsewhere_are_those_of_clips_and_lips(worker):
    assert list(worker.networks) == ["c/network", "r/network"]
    same = worker.with_networks(worker.networks)
    assert {key: same.stages[key] for key in ("s", "c")} == {key: worker.stages[key] for key in ("s", "c")}
    assert same.networks == worker.networks


def test_answers_of_all_kinds_come_out_of_a_child(worker, tmp_path):
    (clip,) = write_clip_videos(tmp_path, 1, frames=30)
    lips = write_frames(tmp_path / "lips.mp4", signing("ab"))
    (tmp_path / "text").write_text("no video")
    with TaskProcess.of(worker) as process:
        here = replace(worker)
        here.setup()
        for stage in (LENGTH, STILL, "s", "c", "r"):
            step = Step(stage, Task(Video("id", str(lips if stage == "r" else clip))))
            there = process.carry_out(step).outcome
            assert isinstance(there, Done)
            assert type(there.features) is type(here(step).outcome.features)
            if stage == STILL:
                assert there.features == here(step).outcome.features
            elif stage == "r":
                assert there.features.words == here(step).outcome.features.words
            elif stage != LENGTH:
                assert there.features.timeline.scores.tolist() == here(step).outcome.features.timeline.scores.tolist()
        failed = process.carry_out(Step("s", Task(Video("id", str(tmp_path / "text"))))).outcome
        assert isinstance(failed, Failed)
        assert failed.code == "not_media"


def test_a_video_that_is_read_in_one_piece_has_the_time_of_a_video(worker, tmp_path):
    assert worker.resources.time_limit_seconds == 60.0
    segments = replace(worker, stages={key: worker.stages[key] for key in (LENGTH, "s")})
    assert segments.resources.time_limit_seconds == 30.0
    path = write_frames(tmp_path / "lips.mp4", signing("ab" * 9))
    step = Step("r", Task(Video("id", str(path))))
    for seconds, is_done in ({"segment_seconds": 0.001}, True), ({"video_seconds": 0.001}, False):
        with TaskProcess.of(replace(worker, **seconds)) as process:
            answer = process.carry_out(step)
            assert (isinstance(answer, Answer) and isinstance(answer.outcome, Done)) == is_done


def test_a_step_that_takes_too_long_is_a_loss_or_a_failure_and_the_next_one_is_done(worker, tmp_path):
    (path,) = write_clip_videos(tmp_path, 1, frames=1500)  # much longer than the watchdog looks away
    quick = StageWorker({LENGTH: worker.stages[LENGTH], "s": worker.stages["s"]}, 2 << 30, 0.001, 60.0)
    with TaskProcess.of(quick) as process:
        answer = process.carry_out(Step("s", Task(Video("id", str(path)))))
        assert isinstance(answer, WorkerLoss) or answer.outcome.code == "time_limit"


def test_an_answer_has_one_outcome():
    with pytest.raises(ValueError, match="one outcome"):
        _ = Answer().outcome

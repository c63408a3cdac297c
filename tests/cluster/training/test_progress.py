"""Progress within stages: what a worker counts, and how it is shown."""

from __future__ import annotations

import json
import logging
from itertools import pairwise

import pytest

from cluster.training.progress import UNWATCHED, Meter, ProgressDisplay, StageProgress
from tests.support.trainings import clip_config, plan_of, train_here, training_config, write_features, write_videos

HALF = StageProgress("epoch 2 of 3", 50, 100, 4.0)


def test_videos_are_counted_as_batches_are_taken() -> None:
    shown: list[StageProgress] = []
    batches = [[1, 2], [3, 4], [5]]
    assert list(Meter(shown.append, every_seconds=0).follow("epoch 1 of 2", batches, 5)) == batches
    assert [(each.stage, each.videos, each.total) for each in shown] == [("epoch 1 of 2", n, 5) for n in (2, 4, 5)]
    assert all(one.seconds <= other.seconds for one, other in pairwise(shown))


def test_the_first_worker_speaks_for_all() -> None:
    shown: list[StageProgress] = []
    list(Meter(shown.append, world=2, every_seconds=0).follow("checking", [7, 7], 3, lambda outcome: 1))
    assert [each.videos for each in shown] == [2, 3]  # the other worker had one less


def test_rows_come_now_and_then() -> None:
    shown: list[StageProgress] = []
    list(Meter(shown.append, every_seconds=1000).follow("epoch 1 of 2", [[1]] * 100, 100))
    assert not shown


def test_nobody_need_watch() -> None:
    assert list(UNWATCHED.follow("checking", [[1], [2]], 2)) == [[1], [2]]


def test_a_watched_training_equals_another(tmp_path) -> None:  # type: ignore[no-untyped-def]
    dataset = write_features(tmp_path / "features", 60)
    shown: list[StageProgress] = []
    watched = train_here(plan_of(training_config(dataset, tmp_path / "a", epochs=2)), shown.append)
    alone = train_here(plan_of(training_config(dataset, tmp_path / "b", epochs=2)))
    assert [epoch.training for epoch in watched.history.epochs] == [epoch.training for epoch in alone.history.epochs]
    last = {each.stage: each for each in shown}
    assert list(last) == [
        *("epoch 1 of 2", "epoch 1 of 2, validation", "epoch 2 of 2", "epoch 2 of 2, validation"),
        *("calibration", "evaluation on training", "evaluation on validation", "evaluation on test"),
    ]
    assert all(each.videos == each.total > 0 for each in last.values())


def test_a_training_on_clips_is_followed_from_its_checks_on(tmp_path) -> None:  # type: ignore[no-untyped-def]
    videos = write_videos(tmp_path / "videos", 4)
    shown: list[StageProgress] = []
    train_here(plan_of(clip_config(videos, tmp_path / "out", phases=("epochs=1 stages=1",))), shown.append)
    last = {each.stage: each for each in shown}
    assert list(last)[:4] == [
        *("checking", "frozen stages of training", "frozen stages of validation"),
        *("epoch 1 of 1",),
    ]
    assert last["checking"].total == 12
    assert all(each.videos == each.total > 0 for each in last.values())


def test_rates() -> None:
    assert (HALF.videos_per_second, HALF.eta_seconds) == (12.5, 4.0)


def test_json_is_one_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay("json", line_every_seconds=0)
    display.show(HALF)
    display.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert json.loads(err) == {
        "event": "progress",
        "stage": "epoch 2 of 3",
        "videos": 50,
        "total": 100,
        "videos_per_second": 12.5,
        "eta_seconds": 4.0,
    }


def test_text_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "framemill"):
        ProgressDisplay("text", line_every_seconds=0).show(HALF)
    assert caplog.messages == ["epoch 2 of 3: 50/100 videos, 12.5 videos/s, 4 s left"]


@pytest.mark.parametrize("style", ["none", "text", "json"])
def test_what_goes_fast_needs_no_lines(style: str, capfd: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay(style, line_every_seconds=1000)
    display.show(HALF)
    display.clear()
    display.show(HALF)
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_drawn_for_each_stage_and_removed(capfd: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay("bar")
    display.show(HALF)
    display.show(StageProgress("epoch 2 of 3, validation", 3, 10, 1.0))
    display.clear()
    shown = capfd.readouterr().err
    assert "epoch 2 of 3:  50%" in shown
    assert "50/100 [00:04<00:0" in shown
    assert "epoch 2 of 3, validation:  30%" in shown
    assert shown.endswith("\r")

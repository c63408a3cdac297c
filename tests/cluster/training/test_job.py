"""Trainings as options describe them: what they leave, how they end, and what comes of a second one."""

import json
import logging
import re
import shutil
from functools import partial

import pytest
from safetensors.torch import load_file

from classifiers.training.identity import TrainingIdentity
from cluster.storage.lease import Lease
from cluster.training.job import _log_epoch, run_training
from cluster.training.progress import ProgressDisplay
from cluster.training.states import StateFolder
from cluster.training.worker import TrainingPlan
from schemas.trainings import Epoch
from tests.support.trainings import (
    FILES,
    clip_config,
    curve,
    plan_of,
    record_of,
    training_config,
    write_features,
    write_videos,
)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="framemill")
    return lambda: caplog.text


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "classifier"
    assert run_training(training_config(dataset, output)) == 0
    return output


def test_a_finished_training_is_left_as_it_is(dataset, trained, said):
    before = {path.name: path.stat().st_mtime_ns for path in trained.iterdir()}
    assert run_training(training_config(dataset, trained)) == 0
    assert "finished: nothing to do" in said()
    assert {path.name: path.stat().st_mtime_ns for path in trained.iterdir()} == before
    assert run_training(training_config(dataset, trained, epochs=4)) == 2
    assert "epochs was 3, is 4" in said()
    assert {path.name: path.stat().st_mtime_ns for path in trained.iterdir()} == before


def test_other_videos_make_it_another_training(tmp_path, said):
    dataset = write_features(tmp_path / "features")
    assert run_training(training_config(dataset, tmp_path / "out", epochs=1)) == 0
    write_features(dataset, 20, first=300)
    assert run_training(training_config(dataset, tmp_path / "out", epochs=1)) == 2
    assert "data.counts was" in said()


def test_an_interrupted_training_goes_on(dataset, trained, tmp_path, said, monkeypatch):
    output = tmp_path / "out"
    config = training_config(dataset, output)

    def interrupt(record, config, states):
        if record.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cluster.training.job._log_epoch", interrupt)
        assert run_training(config) == 130
    assert "the same command resumes" in said()
    assert {path.name for path in (output / "state").iterdir()} >= {"epoch-0001.safetensors", "epoch-0002.safetensors"}
    assert run_training(config.with_values(epochs=9)) == 2
    assert "epochs was 3, is 9" in said()
    assert run_training(config) == 0
    assert "resuming after 2 epochs" in said()
    assert {path.name for path in output.iterdir()} == FILES
    record = record_of(output)
    assert record.resumed_at_epoch == (2,)
    assert curve(record.history) == curve(record_of(trained).history)
    assert (output / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def as_an_earlier_release(values):
    """An identity without what later releases have added to it."""
    return {name: value for name, value in values.items() if name not in ("code_range", "labels", "data.labels")}


def test_a_training_that_an_earlier_release_has_finished_is_left_as_it_is(dataset, trained, tmp_path, said):
    output = tmp_path / "out"
    shutil.copytree(trained, output)
    config = json.loads((output / "config.json").read_text())
    config["training"]["identity"] = as_an_earlier_release(config["training"]["identity"])
    (output / "config.json").write_text(json.dumps(config))
    assert run_training(training_config(dataset, output)) == 0
    assert "finished: nothing to do" in said()
    assert run_training(training_config(dataset, output, code_range="-2..2")) == 2
    assert "code_range was None, is '-2..2'" in said()


def test_a_training_that_an_earlier_release_has_begun_goes_on(dataset, tmp_path, said, monkeypatch):
    config = training_config(dataset, tmp_path / "out", precision="fp32")  # as all of them were

    def interrupt(record, config, states):
        if record.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cluster.training.job._log_epoch", interrupt)
        assert run_training(config) == 130
    identity = plan_of(config).identity
    earlier = TrainingIdentity(as_an_earlier_release(identity.values))
    StateFolder(str(tmp_path / "out"), earlier).write(StateFolder(str(tmp_path / "out"), identity).latest())
    assert run_training(training_config(dataset, tmp_path / "out")) == 0
    assert "resuming after 2 epochs" in said()
    assert run_training(config.with_values(output=str(tmp_path / "whole"))) == 0
    assert curve(record_of(tmp_path / "out").history) == curve(record_of(tmp_path / "whole").history)


def test_progress_within_epochs_is_logged(dataset, tmp_path, said, monkeypatch):
    monkeypatch.setattr("cluster.training.job.ProgressDisplay", partial(ProgressDisplay, line_every_seconds=0))
    monkeypatch.setattr("cluster.training.job.TrainingPlan", partial(TrainingPlan, progress_every_seconds=0.0))
    assert run_training(training_config(dataset, tmp_path / "out", epochs=2)) == 0
    lines = re.findall(r"epoch 2 of 2: (\d+)/(\d+) videos, [\d.]+ videos/s, \d+ s left", said())
    assert [int(videos) for videos, _ in lines][:2] == [32, 64]
    assert "epoch 2 of 2: training loss" in said()


def test_one_training_writes_at_a_time(dataset, tmp_path, said):
    lease = Lease(str(tmp_path / "lease.json"), "another")
    lease.acquire()
    try:
        assert run_training(training_config(dataset, tmp_path)) == 2
    finally:
        lease.release()
    assert "run another" in said()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        ({"classes": ("cat", "birds")}, 2, "unknown class 'birds'"),
        ({"vocabulary": "/nowhere.csv"}, 2, "nowhere.csv"),
        ({"model": "gru"}, 2, "no frame-level features"),
        ({"optimizer": "sgd", "learning_rate": 1e38}, 1, "the training has diverged"),
        # In the last step, which no loss follows.
        ({"optimizer": "sgd", "learning_rate": 1e38, "batch_size": 10_000}, 1, "the training has diverged"),
    ],
)
def test_what_ends_a_training(dataset, tmp_path, said, options, code, part):
    assert run_training(training_config(dataset, tmp_path / "out", **options)) == code
    assert part in said()
    assert not (tmp_path / "out" / "config.json").exists()
    assert not (tmp_path / "out" / "lease.json").exists()


def test_a_metric_of_an_epoch_that_overflows_is_left_out_of_its_line(dataset, tmp_path, said):
    record = Epoch(
        epoch=0, seconds=1.0, learning_rate=0.1, training={"loss": 2.0}, validation={"loss": None, "hit_at_one": 0.5}
    )
    settings, states = training_config(dataset, tmp_path).settings(), StateFolder(str(tmp_path), TrainingIdentity({}))
    _log_epoch(record, settings, states)
    assert "epoch 1 of 3: training loss 2.0000, validation hit_at_one 0.5000, 1.0 s" in said()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = write_videos(tmp_path_factory.mktemp("videos"), 8)
    (folder / "red" / "broken.mp4").write_bytes(b"\0" * 100)
    return folder


@pytest.fixture(scope="module")
def from_clips(videos, tmp_path_factory):
    output = tmp_path_factory.mktemp("from_clips") / "classifier"
    assert run_training(clip_config(videos, output, epochs=4)) == 0
    return output


def test_a_training_on_videos_leaves_the_same(videos, from_clips, said):
    assert {path.name for path in from_clips.iterdir()} == FILES
    assert run_training(clip_config(videos, from_clips, epochs=4)) == 0
    assert "finished: nothing to do" in said()
    record = record_of(from_clips)
    assert (record.level, record.parameters > 0, record.phases[0].stages) == ("clip", True, None)
    assert [(video.id, video.code) for video in record.lost] == [("red/broken", "not_media")]
    assert sum(record.split_sizes.values()) == 24
    assert record.split_sizes == {name: sum(one.videos[name] for one in record.classes) for name in record.split_sizes}
    assert all(mistake.uri.endswith(f"{mistake.id}.mp4") for split in record.splits for mistake in split.mistakes)
    page = (from_clips / "training.html").read_text()
    assert "1 video could not be used" in page
    assert "red/broken" in page


def test_an_interruption_in_the_second_phase_changes_nothing(videos, tmp_path, said, monkeypatch):
    options = {"phases": ("epochs=2 stages=1", "epochs=2 stages=3"), "init_weights": None}
    whole, output = clip_config(videos, tmp_path / "whole", **options), tmp_path / "out"
    assert run_training(whole) == 0
    assert "left out: 'red/broken'" in said()

    def interrupt(record, config, states):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cluster.training.job._log_epoch", interrupt)
        assert run_training(clip_config(videos, output, **options)) == 130
    assert run_training(clip_config(videos, output, **options)) == 0
    assert "epoch 4 of 4 (phase 2 of 2)" in said()
    record, expected = record_of(output), record_of(tmp_path / "whole")
    assert record.resumed_at_epoch == (3,)
    assert curve(record.history) == curve(expected.history)
    assert (output / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert "Epochs 1 to 2 trained only the head (sgd, learning rate 0.02)." in (output / "training.html").read_text()


def test_another_class_on_a_trained_network(videos, from_clips, tmp_path, said):
    more = write_videos(tmp_path / "videos", 8)
    (more / "green").rename(more / "grass")
    output = tmp_path / "out"
    config = clip_config(more, output, phases=("epochs=3 stages=1 learning-rate=0.1",), init_weights=str(from_clips))
    assert run_training(config) == 0
    assert [one.name for one in record_of(output).classes] == ["blue", "grass", "red"]
    before, after = (load_file(folder / "model.safetensors") for folder in (from_clips, output))
    assert {name.split(".")[0] for name in before if not before[name].equal(after[name])} == {"head"}
    assert run_training(config.with_values(output=str(tmp_path / "kept"), init_head="keep")) == 2
    assert "without 'grass' and with 'green'" in said()


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        ({"classes": ("red", "purple")}, 2, "unknown class 'purple'"),
        ({"split": "column"}, 2, "gives no video a split"),
        ({"phases": ("epochs=1 stages=9",)}, 2, "9 stages cannot be trained: C3d has 8"),
        ({"init_weights": "/nowhere.pt"}, 2, "nowhere.pt"),
        (
            {"max_failure_ratio": 0.01},
            2,
            "1 of 25 videos cannot be used, more than",
        ),
        ({"learning_rate": 1e38}, 1, "the training has diverged"),
        ({"videos": "/nowhere"}, 2, "/nowhere"),
    ],
)
def test_what_ends_a_training_on_videos(videos, tmp_path, said, options, code, part):
    assert run_training(clip_config(options.pop("videos", videos), tmp_path / "out", **options)) == code
    assert part in said()
    assert not (tmp_path / "out" / "config.json").exists()
    assert not (tmp_path / "out" / "lease.json").exists()


def test_clips_are_not_trained_in_half_precision_on_cpus(tmp_path, caplog):
    videos = write_videos(tmp_path / "videos", 4)
    for options in ({}, {"engine": "ray"}, {"engine": "ray", "address": "nowhere:1", "device": "cpu"}):
        caplog.clear()
        assert run_training(clip_config(videos, tmp_path / "classifier", precision="bf16", **options)) == 2
        assert "--precision bf16 for clips needs a GPU" in caplog.text

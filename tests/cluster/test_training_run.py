"""Trainings as options describe them: what they leave, how they end, and what comes of a second one."""

import logging
from dataclasses import replace

import pytest

from cluster.lease import Lease
from cluster.training_run import run_training
from tests.trainings import FILES, curve, record_of, training_config, write_features


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("features"))


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="framemill")
    logging.getLogger("framemill").propagate = True
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
        patch.setattr("cluster.training_run._tell_epoch", interrupt)
        assert run_training(config) == 130
    assert "the same command goes on" in said()
    assert {path.name for path in (output / "state").iterdir()} >= {"epoch-0001.safetensors", "epoch-0002.safetensors"}
    assert run_training(replace(config, epochs=9)) == 2
    assert "epochs was 3, is 9" in said()
    assert run_training(config) == 0
    assert "going on after 2 epochs" in said()
    assert {path.name for path in output.iterdir()} == FILES
    record = record_of(output)
    assert record.resumed_at_epoch == (2,)
    assert curve(record.history) == curve(record_of(trained).history)
    assert (output / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


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
        ({"model": "gru"}, 2, "no features of single frames"),
        ({"optimizer": "sgd", "learning_rate": 1e38}, 1, "the training has diverged"),
    ],
)
def test_what_ends_a_training(dataset, tmp_path, said, options, code, part):
    assert run_training(training_config(dataset, tmp_path / "out", **options)) == code
    assert part in said()
    assert not (tmp_path / "out" / "config.json").exists()
    assert not (tmp_path / "out" / "lease.json").exists()

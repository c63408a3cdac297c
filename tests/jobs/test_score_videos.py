"""The job as a user runs it: on Ray, with wrong options, and killed in mid-run."""

from __future__ import annotations

import signal

import pytest

from tests.support.checkpoints import trained, write_trained
from tests.support.dataset import messages
from tests.support.scoring import (
    DAY,
    killed_at_the_first_shard,
    label_ids,
    label_rows,
    names,
    run_score_job,
    score_command,
    scoring_records,
    write_features,
)

FILES, VIDEOS = 40, 20


def arguments(features, checkpoint, labels, *options):
    return "--features", features, "--checkpoint", checkpoint, "--labels", labels, *options


def job(*given):
    return score_command(*arguments(*given))


def run(*given):
    return run_score_job(*arguments(*given))


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    shards = {f"{n:03d}": range(n * VIDEOS, (n + 1) * VIDEOS) for n in range(FILES)}
    return write_features(tmp_path_factory.mktemp("features"), shards)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained())


@pytest.fixture(scope="module")
def reference(features, checkpoint, tmp_path_factory):
    labels = tmp_path_factory.mktemp("labels")
    done = run(features, checkpoint, labels, "--engine", "local", "--rows-per-shard", VIDEOS)
    assert done.returncode == 0, done.stderr
    return label_rows(labels)


def test_ray_and_local_give_the_same_labels(features, checkpoint, reference, tmp_path):
    csv = tmp_path / "submission.csv"
    done = run(features, checkpoint, tmp_path / "labels", "--submission", csv, "--workers", 2, "--log-format", "json")
    assert done.returncode == 0, done.stderr
    assert "completed: 800 videos scored, 0 failed, 0 settled before" in messages(done.stderr)
    assert label_rows(tmp_path / "labels") == reference
    assert len(csv.read_text().splitlines()) == 801


def test_wrong_options_exit_with_2_and_no_traceback(features, tmp_path):
    done = run(features, tmp_path / "none", tmp_path / "labels", "--top-k", 0, "--date", "today")
    assert done.returncode == 2
    assert "top-k must be at least 1" in done.stderr
    done = run(features, tmp_path / "none", tmp_path / "labels", "--engine", "local")
    assert done.returncode == 2
    assert "there is no checkpoint" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize(
    "engine", ["local", *(pytest.param(name, marks=pytest.mark.heavy) for name in ("ray", "beam"))]
)
def test_a_driver_that_is_killed_is_made_good_by_the_next_run(engine, features, checkpoint, reference, tmp_path):
    options = ("--engine", engine, "--rows-per-shard", VIDEOS, "--workers", 2)
    command = job(features, checkpoint, tmp_path, *options)
    kills = 0
    for _ in range(2 if engine == "local" else 5):
        kills += killed_at_the_first_shard(command, tmp_path, signal.SIGKILL) == -signal.SIGKILL
        assert label_ids(tmp_path) == sorted(set(label_ids(tmp_path)))
    before = label_ids(tmp_path)
    assert kills
    assert 0 < len(before) < FILES * VIDEOS
    done = run(features, checkpoint, tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert label_rows(tmp_path) == reference
    assert label_ids(tmp_path) == names(*range(FILES * VIDEOS))
    newest = max(scoring_records(tmp_path), key=lambda record: record.started_at)
    assert newest.counts.scored == FILES * VIDEOS - len(before)
    assert {record.status for record in scoring_records(tmp_path)} == {"died", "completed"}
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    assert {path.name for path in tmp_path.iterdir()} == {f"date={DAY}", "ledger", "runs"}


@pytest.mark.heavy
def test_killed_while_another_model_replaces_the_labels(features, checkpoint, tmp_path):
    options = ("--engine", "local", "--rows-per-shard", VIDEOS)
    other = write_trained(tmp_path / "other", trained(seed=5))
    assert run(features, other, tmp_path / "reference", *options).returncode == 0
    assert run(features, checkpoint, tmp_path / "labels", *options).returncode == 0
    for _ in range(3):
        command = job(features, other, tmp_path / "labels", *options)
        killed_at_the_first_shard(command, tmp_path / "labels", signal.SIGKILL)
        found = label_ids(tmp_path / "labels")
        assert found == sorted(set(found))
    assert run(features, other, tmp_path / "labels", *options).returncode == 0
    assert label_rows(tmp_path / "labels") == label_rows(tmp_path / "reference")


@pytest.mark.heavy
def test_sigterm_keeps_what_is_finished(features, checkpoint, tmp_path):
    options = ("--engine", "local", "--rows-per-shard", VIDEOS, "--workers", 1)
    assert killed_at_the_first_shard(job(features, checkpoint, tmp_path, *options), tmp_path, signal.SIGTERM) == 130
    assert 0 < len(label_ids(tmp_path)) < FILES * VIDEOS
    (record,) = scoring_records(tmp_path)
    assert (record.status, record.counts.scored) == ("interrupted", len(label_ids(tmp_path)))
    assert not (tmp_path / "lease.json").exists()

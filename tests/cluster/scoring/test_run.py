"""One scoring run, whatever ends it: what was finished is committed, and a record tells its status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.engines.base import EngineError
from cluster.engines.local import LocalEngine
from cluster.scoring.job import score_videos
from schemas.scorings import ScoringRecord
from tests.support.checkpoints import trained, write_trained
from tests.support.scoring import label_ids, names, scoring_config, write_features
from tests.support.stopping_engine import StoppingEngine


@pytest.fixture(autouse=True)
def log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


@pytest.fixture
def config(tmp_path):
    features = write_features(tmp_path / "features", {"a": [0, 1], "b": [2, 3], "c": [4, 5]})
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    return scoring_config(features, checkpoint, tmp_path / "labels", rows_per_shard=2)


def stopped(config, error: BaseException, look: Callable[[], object] = lambda: None) -> ScoringRecord:
    """The record of a run whose engine stops after the first portion."""
    return score_videos(config.settings(), StoppingEngine(LocalEngine(), 1, error, look))


def on_disk(config) -> str:
    (path,) = (Path(config.labels) / "runs").glob("*.json")
    return path.read_text()


@pytest.mark.parametrize(
    ("error", "status"), [(EngineError("no worker is left"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_what_was_finished_is_kept_and_the_next_run_does_the_rest(config, tmp_path, log, error, status):
    with_submission = config.with_values(submission=str(tmp_path / "s.csv"))
    record = stopped(with_submission, error)
    assert record.to_json() == on_disk(config)
    assert (record.status, record.counts.scored, record.counts.unaccounted) == (status, 2, 4)
    assert ("no worker is left" in log.text) == (status == "failed")
    assert label_ids(tmp_path / "labels") in (
        names(0, 1),
        names(2, 3),
        names(4, 5),
    )  # one portion, whichever came first
    assert not (tmp_path / "s.csv").exists()
    record = score_videos(with_submission.settings())
    assert (record.status, record.counts.already_labelled, record.counts.scored) == ("completed", 2, 4)
    assert label_ids(tmp_path / "labels") == names(*range(6))
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 7


def test_a_submission_that_cannot_be_written_fails_the_run(config, tmp_path, log):
    (tmp_path / "s.csv").mkdir()
    record = score_videos(config.with_values(submission=str(tmp_path / "s.csv")).settings())
    assert (record.status, record.counts.scored) == ("failed", 6)
    assert record.to_json() == on_disk(config)


def test_an_output_that_takes_no_more_fails_the_run(config, tmp_path, log):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "ledger").touch()  # a file where the folder should be
    assert score_videos(config.settings()).status == "failed"
    assert "labels cannot be written to" in log.text


def test_a_mistake_in_this_program_ends_the_run(config):
    with pytest.raises(ZeroDivisionError):
        stopped(config, ZeroDivisionError())
    record = ScoringRecord.from_json(on_disk(config))
    assert (record.status, record.counts.scored) == ("failed", 2)


def test_the_record_of_a_running_run_counts_what_is_done(config, monkeypatch):
    monkeypatch.setattr("cluster.datasets.folder.RECORD_EVERY_SECONDS", 0.0)
    texts = []
    stopped(config, EngineError("no worker is left"), lambda: texts.append(on_disk(config)))
    record = ScoringRecord.from_json(texts[0])
    assert (record.status, record.counts.scored) == ("running", 2)

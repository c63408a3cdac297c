"""One run of extraction, whatever ends it: what was finished is committed, and a record tells its status."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.engines.base import EngineError
from cluster.engines.tasks import Done
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.job import extract, planned
from cluster.extraction.plan import read_inputs
from schemas.runs import RunRecord
from tests.support.dataset import ids, rows
from tests.support.poison import decompression_bomb
from tests.support.stopping_engine import StoppingEngine
from tests.support.tars import pack
from tests.support.videos import Clip, write_video

RANDOM = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")


@pytest.fixture(autouse=True)
def log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name in "abc":
        write_video(folder / f"{name}.mp4", Clip(frames=30, width=96, height=48))
    return folder


@pytest.fixture
def options(videos, tmp_path) -> ExtractionOptions:
    return ExtractionOptions.of(
        input=str(videos), output=str(tmp_path / "out"), engine="local", quiet=True, rows_per_shard=2, **RANDOM
    )


def stopped(options: ExtractionOptions, error: BaseException, look: Callable[[], object] = lambda: None) -> RunRecord:
    """The record of a run whose engine stops after the first video."""
    with planned(options, read_inputs(options)) as (plan, engine), plan.dataset.lease() as lease:
        return extract(plan, StoppingEngine(engine, 1, error, look), lease)


def on_disk(options: ExtractionOptions) -> str:
    (path,) = (Path(options.output) / "runs").glob("*.json")
    assert path.with_suffix(".html").exists()
    return path.read_text()


@pytest.mark.parametrize(
    ("error", "status"), [(EngineError("no worker is left"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_what_was_finished_is_kept_and_the_next_run_does_the_rest(options, log, error, status):
    record = stopped(options, error)
    assert record.to_json() == on_disk(options)
    assert (record.status, record.counts.extracted, record.counts.unaccounted) == (status, 1, 2)
    assert ("no worker is left" in log.text) == (status == "failed")
    assert ids(Path(options.output)) == ["a"]
    with planned(options, read_inputs(options)) as (plan, engine), plan.dataset.lease() as lease:
        record = extract(plan, engine, lease)
    assert (record.status, record.counts.already_done, record.counts.extracted) == ("completed", 1, 2)
    assert ids(Path(options.output)) == ["a", "b", "c"]


def test_an_output_that_takes_no_more_fails_the_run(options, tmp_path, log):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "features").touch()  # a file where the folder should be
    with planned(options, read_inputs(options)) as (plan, engine), plan.dataset.lease() as lease:
        record = extract(plan, engine, lease)
    assert record.status == "failed"
    assert record.to_json() == on_disk(options)
    assert "out cannot be written to" in log.text


def test_a_page_that_cannot_be_written_fails_the_run_and_its_record_says_so(options, log):
    with planned(options, read_inputs(options)) as (plan, engine), plan.dataset.lease() as lease:
        Path(plan.dataset.run_uri(".html")).mkdir(parents=True)
        record = extract(plan, engine, lease)
    assert record.status == "failed"
    assert record.to_json() == on_disk(options)


def test_a_mistake_in_the_page_is_in_the_record(options, monkeypatch):
    monkeypatch.setattr("cluster.extraction.run.render_run_report", lambda record, context: 1 / 0)
    inputs = read_inputs(options)
    with pytest.raises(ZeroDivisionError), planned(options, inputs) as (plan, engine), plan.dataset.lease() as lease:
        extract(plan, engine, lease)
    (path,) = (Path(options.output) / "runs").glob("*.json")
    assert RunRecord.from_json(path.read_text()).status == "failed"


def test_a_mistake_in_this_program_ends_the_run_and_keeps_what_was_finished(options):
    with pytest.raises(ZeroDivisionError):
        stopped(options, ZeroDivisionError())
    record = RunRecord.from_json(on_disk(options))
    assert (record.status, record.counts.extracted) == ("failed", 1)
    assert ids(Path(options.output)) == ["a"]


def test_the_record_of_a_running_run_counts_what_is_done(options, monkeypatch):
    monkeypatch.setattr("cluster.datasets.folder.RECORD_EVERY_SECONDS", 0.0)
    texts = []

    def look() -> None:
        (path,) = (Path(options.output) / "runs").glob("*.json")
        texts.append(path.read_text())

    stopped(options, EngineError("no worker is left"), look)
    record = RunRecord.from_json(texts[0])
    assert (record.status, record.counts.extracted) == ("running", 1)


class TamperingEngine(StoppingEngine):
    """An engine whose worker has been taken over by the video `b`: the means come back of another width."""

    def run(self, queue: Any, worker: Any) -> Iterator[Any]:
        for outcome in self.inner.run(queue, worker):
            is_tampered = isinstance(outcome, Done) and outcome.task.video.id == "b"
            yield replace(outcome, features=replace(outcome.features, rgb_sum=np.zeros(7))) if is_tampered else outcome


def test_a_row_that_cannot_be_stored_costs_its_video(options):
    with planned(options, read_inputs(options)) as (plan, engine), plan.dataset.lease() as lease:
        record = extract(plan, TamperingEngine(engine, 0, AssertionError()), lease)
    assert record.to_json() == on_disk(options)
    assert (record.status, record.counts.extracted, record.failures_by_code) == ("completed", 2, {"internal": 1})
    assert ids(Path(options.output)) == ["a", "c"]
    (failure,) = rows(Path(options.output), "failures")
    assert (failure["id"], failure["code"], failure["stage"]) == ("b", "internal", "write")
    assert "an error in this program" in str(failure["message"])


def run(options: ExtractionOptions) -> RunRecord:
    with planned(options, read_inputs(options)) as (plan, engine), plan.dataset.lease() as lease:
        return extract(plan, engine, lease)


@pytest.mark.heavy
def test_a_tar_gives_what_its_folder_gives_and_a_bad_member_fails_alone(options, videos, tmp_path):
    folder, tars = tmp_path / "folder", tmp_path / "tars"
    for path in (folder, tars):
        path.mkdir()
    for video in videos.iterdir():
        (folder / video.name).write_bytes(video.read_bytes())
    (folder / "b2.mp4").write_text("no video")
    (folder / "b3.mp4").touch()
    bomb = decompression_bomb(tmp_path / "b1.mov", 16_000, frames=3)
    shutil.copytree(folder, tmp_path / "packed")
    shutil.copy(bomb, tmp_path / "packed")
    pack(tars / "s.tar", sorted((tmp_path / "packed").iterdir()), tmp_path / "packed")
    (tars / "t.tar").write_bytes((tars / "s.tar").read_bytes()[:5_000])
    limits = {"max_pixels": 16_000**2, "memory_limit_mib": 512, "max_failure_ratio": 1.0}
    found = {}
    for source, prefix in ((folder, ""), (tars, "s/")):
        output = tmp_path / f"out-{source.name}"
        record = run(options.with_values(input=str(source), output=str(output), frame_features=True, **limits))
        assert (record.status, record.counts.extracted) == ("completed", 3)
        features = [{**row, "uri": "", "id": row["id"].removeprefix(prefix)} for row in rows(output)]
        failures = {row["id"].removeprefix(prefix): row["code"] for row in rows(output, "failures")}
        found[source.name] = features, failures
    (features, failures), (of_members, of_tars) = found["folder"], found["tars"]
    assert of_members == features
    assert failures == {"b2": "not_media", "b3": "empty"}
    assert of_tars == {**failures, "b1": "memory_limit", "t.tar": "damaged"}


@pytest.mark.heavy
def test_within_a_tar_the_next_run_goes_on_and_a_changed_tar_is_done_again(options, videos, tmp_path):
    tar = pack(tmp_path / "s.tar", sorted(videos.iterdir()), videos)
    options = options.with_values(input=str(tar), rows_per_shard=1)
    assert stopped(options, KeyboardInterrupt()).counts.extracted == 1
    record = run(options)
    assert (record.counts.already_done, record.counts.extracted) == (1, 2)
    assert run(options).counts.already_done == 3
    pack(tar, sorted(videos.iterdir())[1:], videos)
    assert (run(options).counts.extracted, ids(Path(options.output))) == (2, ["a", "b", "c"])

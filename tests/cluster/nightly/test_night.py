"""A nightly run, whatever ends it: its record has the status, and the next run does the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import EngineError
from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from cluster.nightly.config import NightlyOptions
from cluster.nightly.night import Night
from cluster.nightly.parts.extraction import Extraction
from cluster.nightly.parts.feature_labels import FeatureLabels
from cluster.nightly.plan import NightPlan
from cluster.nightly.records import NightRecords
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import OF_FEATURES
from schemas.nights import NightCounts, NightRecord
from tests.support.checkpoints import trained
from tests.support.stopping_engine import StoppingEngine
from tests.support.videos import Clip, write_video

RANDOM = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
DAY = "2026-03-01"


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name in "ab":
        write_video(folder / f"{name}.mp4", Clip(frames=30, width=96, height=48))
    return folder


@pytest.fixture
def options(videos, tmp_path) -> NightlyOptions:
    places = {name: str(tmp_path / name) for name in ("features", "labels")}
    checkpoint = (str(tmp_path / "classifier"),)
    return NightlyOptions.of(
        videos=str(videos), checkpoint=checkpoint, date=DAY, engine="local", quiet=True, **places, **RANDOM
    )


def run_until(options: NightlyOptions, error: BaseException) -> ExitCode:
    """A nightly run whose engine stops after the first video."""
    settings, records = options.settings(OF_FEATURES), NightRecords(options.labels)
    assert settings.extraction is not None
    with planned(settings.extraction, read_inputs(settings.extraction)) as (plan, engine), records.lease("r1") as lease:
        classifier = TrainedClassifier({"c": trained("logistic", rgb_dim=1024, fingerprint=plan.fingerprint)})
        stopping: Any = StoppingEngine(engine, 1, error)
        labels = FeatureLabels(settings.scoring, classifier, plan.dataset, stopping)
        night = NightPlan(Extraction(plan, stopping), labels)
        return Night(settings, "r1", night, stopping, records, lease)()


def record_of(options: NightlyOptions) -> NightRecord:
    record = NightRecords(options.labels).read(DAY)
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineError("no worker is left"), "failed", ExitCode.FAILED),
        (KeyboardInterrupt(), "interrupted", ExitCode.INTERRUPTED),
    ],
)
def test_a_night_that_is_stopped_counts_what_it_has_done(options, error, status, code):
    assert run_until(options, error) == code
    record = record_of(options)
    (run,) = record.runs
    assert (run.status, run.problem) == (status, f"extraction: {status}; its report says more")
    assert run.counts == NightCounts(new=1, extracted=1)
    assert record.labels is None
    assert (Path(options.labels) / "nights" / f"{DAY}.html").exists()


def test_a_mistake_in_this_program_ends_the_night(options):
    with pytest.raises(ZeroDivisionError):
        run_until(options, ZeroDivisionError())
    (run,) = record_of(options).runs
    assert (run.status, run.problem) == ("failed", "an error in this program; the log says more")


def test_a_second_run_of_the_day_is_added_to_its_record(options):
    for _ in range(2):
        run_until(options, EngineError("no worker is left"))
    first, second = record_of(options).runs
    assert (first.counts, second.counts) == (NightCounts(new=1, extracted=1), NightCounts(new=1, extracted=1))
    assert record_of(options).counts.extracted == 2

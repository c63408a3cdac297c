"""Beside the record of a training: reports of its features, and pictures of its mistakes."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from classifiers.metrics.text_evaluation import TextEvaluation
from cluster.reports.links import PageLink
from cluster.reports.training_tables import reported_split
from cluster.storage.read_policy import STRICT
from cluster.training import report_context
from cluster.training.job import run_training
from cluster.training.kinds import load_training_data
from cluster.training.lip_data import LipData
from cluster.training.report_context import (
    MAX_REPORTS,
    feature_reports,
    lip_previews,
    mistake_pictures,
)
from cluster.training.results import text_result
from tests.support.animations import durations_of
from tests.support.lip_trainings import TEXTS, lip_config, write_manifest
from tests.support.pages import Page
from tests.support.training_records import training_record
from tests.support.trainings import record_of, training_config, write_features
from tests.support.videos import Clip, write_video


def test_the_latest_reports_of_the_features_are_found(tmp_path: Path) -> None:
    runs = tmp_path / "features" / "runs"
    runs.mkdir(parents=True)
    names = [f"2026{number:04d}" for number in range(9)]
    for name in names:
        for suffix in (".html", ".json"):
            (runs / f"{name}{suffix}").touch()
    found = feature_reports([str(tmp_path / "features"), str(tmp_path / "none"), str(tmp_path / "*.parquet")])
    assert found == tuple(PageLink(f"Extraction {name}", str(runs / f"{name}.html")) for name in names[-MAX_REPORTS:])
    assert feature_reports([]) == ()
    assert feature_reports(["unknown://bucket"]) == ()


def test_mistakes_have_pictures_where_their_videos_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the features name their videos `in/NUMBER.mp4`
    dataset = write_features(tmp_path / "features")
    options = training_config(dataset, tmp_path / "first")
    assert run_training(options) == 0
    record, data = record_of(tmp_path / "first"), load_training_data(options.settings())
    split = reported_split(record)
    assert split is not None
    assert mistake_pictures(record, data, STRICT) == {}
    seen = split.mistakes[:3]
    (tmp_path / "in").mkdir()
    for mistake in seen:
        write_video(tmp_path / mistake.uri, Clip(frames=30))
    (tmp_path / split.mistakes[3].uri).write_text("no video")
    found = mistake_pictures(record, data, STRICT)
    assert sorted(found) == sorted(mistake.id for mistake in seen)
    assert all(picture.jpeg.startswith(b"\xff\xd8\xff") for picture in found.values())
    for name, count in (("with", 3), ("without", 0)):
        again = training_config(dataset, tmp_path / name, without_pictures=name == "without")
        assert run_training(again) == 0
        page = Page((tmp_path / name / "training.html").read_text())
        assert sum(tag == "img" for tag, _ in page.tags) == count


def test_sentences_have_previews_where_their_videos_are(tmp_path: Path) -> None:
    data = load_training_data(lip_config(write_manifest(tmp_path), tmp_path / "out").settings())
    evaluation = TextEvaluation(is_full=True)
    evaluation.update(TEXTS[4:], ("", ""), [1.0, 1.0], ["v4", "v5"])
    record = replace(training_record(), texts=(text_result("validation", evaluation, 1.0),))
    (tmp_path / "5.mp4").unlink()
    previews = lip_previews(record, data, 1)
    assert sorted(previews) == ["v4"]
    assert sum(durations_of(previews["v4"])) == 400  # of 9 frames


def test_previews_have_one_limit_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_training_data(lip_config(write_manifest(tmp_path), tmp_path / "out").settings())
    assert isinstance(data, LipData)
    evaluation = TextEvaluation(is_full=True)
    evaluation.update(TEXTS, ("",) * 6, [1.0] * 6, [f"v{number}" for number in range(6)])
    record = replace(training_record(), texts=(text_result("validation", evaluation, 1.0),))
    monkeypatch.setattr(report_context, "PREVIEW_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        data = replace(data, videos=[replace(video, uri=uri) for video in data.videos])
        started = time.monotonic()
        assert lip_previews(record, data, 1) == {}
        assert time.monotonic() - started < 9

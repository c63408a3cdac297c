"""Networks that look at optical flow, alone or beside RGB, wherever clip models go: labels, timelines, nights, HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import framemill
from cluster.features.files import open_features
from cluster.nightly.config import NightlyOptions
from cluster.nightly.job import run_nightly
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import ScoringOptions
from cluster.scoring.job import score_videos
from cluster.serving.config import ServeOptions
from tests.support.checkpoints import write_trained
from tests.support.clips import FLOW_OPTIONS, trained_clips, write_clip_videos
from tests.support.scoring import DAY, label_rows, run_score_job
from tests.support.serving import Client, served_here

VIDEOS = 2
TIMELINE = {"timeline": True, "stride": 0.5}
FEATURES = {"i3d-flow": 128, "i3d-two-stream": 256}


@pytest.fixture(autouse=True)
def threads() -> Any:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["i3d-two-stream", pytest.param("i3d-flow", marks=pytest.mark.heavy)])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, a checkpoint named as its model, and what it says of them."""
    root = tmp_path_factory.mktemp("flow")
    write_clip_videos(root / "videos", VIDEOS, frames=60)
    write_trained(root / request.param, trained_clips(request.param, options=FLOW_OPTIONS, flow="dis"))
    label(root, "labels", embeddings=str(root / "embeddings"))
    label(root, "timelines", **TIMELINE)
    return root


def model_of(root: Path) -> str:
    return next(name for name in FEATURES if (root / name).exists())


def label(root: Path, labels: str, **changes: Any) -> list[dict[str, Any]]:
    options = ScoringOptions.of(
        checkpoint=(str(root / model_of(root)),),
        videos=str(root / "videos"),
        labels=str(root / labels),
        **{"date": DAY, "engine": "local", "quiet": True, "precision": "fp32", **changes},
    )
    record = score_videos(options.settings())
    assert (record.status, record.counts.scored) == ("completed", VIDEOS)
    return label_rows(root / labels)


def scores_of(row: dict[str, Any]) -> dict[str, float]:
    return {one["name"]: one["score"] for one in row["labels"]}


def timelines(labels: Path) -> dict[str, Any]:
    found = [row for path in labels.glob(f"date={DAY}/*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["id"]: row["timeline"] for row in found}


def test_bf16_says_nearly_what_fp32_says(root: Path) -> None:
    for reduced, full in zip(label(root, "bf16", precision="bf16"), label_rows(root / "labels"), strict=True):
        found, expected = scores_of(reduced), scores_of(full)
        assert found != expected
        assert found == pytest.approx(expected, abs=0.03)


def test_embeddings_are_features(root: Path) -> None:
    features = open_features([str(root / "embeddings")])
    assert (features.rgb_dim, features.rows) == (FEATURES[model_of(root)], VIDEOS)


def test_python_says_what_the_job_says(root: Path) -> None:
    classifier = framemill.load_classifier(root / model_of(root), precision="fp32")
    found = classifier.predict(sorted((root / "videos").iterdir()))
    assert classifier.takes == "clips"
    for labels, row in zip(found.labels, label_rows(root / "labels"), strict=True):
        assert dict(labels) == pytest.approx(scores_of(row))


@pytest.mark.parametrize("given", [{}, TIMELINE], ids=["clips", "timeline"])
def test_nights(given: dict[str, Any], root: Path, tmp_path: Path) -> None:
    options = NightlyOptions.of(
        videos=str(root / "videos"),
        checkpoint=(str(root / model_of(root)),),
        labels=str(tmp_path),
        **{"date": DAY, "engine": "local", "quiet": True, "clip_precision": "fp32", **given},
    )
    assert run_nightly(options) == ExitCode.DONE
    reference = root / ("timelines" if given else "labels")
    assert label_rows(tmp_path) == label_rows(reference)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg") >= VIDEOS
    assert not given or timelines(tmp_path) == timelines(reference)


def test_a_service_says_what_the_job_says(root: Path, tmp_path: Path) -> None:
    options = ServeOptions.of(checkpoint=(str(root / model_of(root)),), stride=0.5, precision="fp32")
    with served_here(options, tmp_path) as (url, _):
        client = Client(url)
        answer = client.upload((root / "videos" / "v00000.mp4").read_bytes())
        (result,) = client.settled(answer.json["id"])["results"]
    row = label_rows(root / "timelines")[0]
    assert {one["name"]: one["score"] for one in result["labels"]} == pytest.approx(scores_of(row))
    assert [step["seconds"] for step in result["timeline"]] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert len({str(step["top"]) for step in result["timeline"]}) > 1


@pytest.mark.heavy
def test_ray_says_what_one_process_says_to_the_bit(root: Path, tmp_path: Path) -> None:
    options = ("--videos", root / "videos", "--checkpoint", root / model_of(root), "--precision", "fp32")
    done = run_score_job(*options, "--labels", tmp_path, "--workers", 1, "--pools", "apart")
    assert done.returncode == 0, done.stderr
    for one, other in zip(label_rows(tmp_path), label_rows(root / "labels"), strict=True):
        np.testing.assert_array_equal(list(scores_of(one).values()), list(scores_of(other).values()))

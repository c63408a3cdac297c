"""Settings of a dataset, from its shards and from the record of the run that wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetError
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.plan import Plan, make_plan, read_inputs
from cluster.extraction.recorded import recorded_settings
from extractors.weights.resolve import WEIGHT_SETS
from schemas.errors import InputError
from schemas.features import AUDIO_DIM, FeatureRow

RANDOM = {"weights": "random:0", "pca": "random:1", "audio_weights": "random:2", "audio_pca": "none", "quiet": True}
SETTINGS = ("fps", "frame_features", "sampling", "max_seconds", "weights", "pca", "audio_weights", "audio_pca")


def plan_of(root: Path, **options: object) -> Plan:
    (root / "m.csv").write_text("id,uri\na,a.mp4\n")
    given = ExtractionOptions.of(input=f"{root}/m.csv", output=f"{root}/out", **{**RANDOM, **options})
    return make_plan(given, read_inputs(given), on_gpu=False)


def add_row(dataset: FeatureDataset, dim: int, *, frames: bool = False) -> None:
    codes = {"rgb": np.zeros((1, dim), np.uint8), "audio": np.zeros((1, AUDIO_DIM), np.uint8)} if frames else {}
    vectors = np.zeros(dim, np.float32), np.zeros(AUDIO_DIM, np.float32)
    dataset.commit(0, [(FeatureRow("a", (), *vectors, False, 1, 1.0, "a.mp4", **codes), "")], [], ())


def test_an_empty_place_has_no_settings(tmp_path: Path) -> None:
    assert recorded_settings(str(tmp_path / "out")) == {}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fps": "30000/1001", "frame_features": True, "max_seconds": 9, "sampling": "keyframes"},
        {"pca": "none", "precision": "fp32"},
    ],
)
def test_the_settings_make_the_same_features(options: dict[str, object], tmp_path: Path) -> None:
    plan = plan_of(tmp_path, **options)
    add_row(plan.dataset, plan.worker.stage.frames.dim, frames=bool(options.get("frame_features")))
    found = recorded_settings(f"{tmp_path}/out")
    given = plan.options.flat()
    assert {name: found[name] for name in SETTINGS} == {name: given[name] for name in SETTINGS}
    assert found["precision"] == plan.fingerprint["frames.precision"]
    again = plan_of(tmp_path, **found)
    assert again.fingerprint == plan.fingerprint


def fingerprinted(root: Path, weights: str, **parts: str) -> FeatureDataset:
    fingerprint = {"frames.weights": weights, "sampling.fps": "1", **parts}
    dataset = FeatureDataset(str(root), run_id="r1", rgb_dim=4, frame_features=False, fingerprint=fingerprint)
    add_row(dataset, 4)
    return dataset


def test_weights_of_files_are_named_by_the_record(tmp_path: Path) -> None:
    fingerprinted(tmp_path, f"sha256:{'ab' * 32}")
    with pytest.raises(InputError, match=r"no record names the file: give --weights"):
        recorded_settings(str(tmp_path))
    (tmp_path / "runs").mkdir()
    for spec in ("weights/mine.pth", "s3://bucket/mine.pth"):
        (tmp_path / "runs" / "r1.json").write_text(json.dumps({"configuration": {"weights": spec}}))
        assert recorded_settings(str(tmp_path))["weights"] == spec
    hidden = {"configuration": {"weights": "https://host/mine.pth?***"}}
    (tmp_path / "runs" / "r1.json").write_text(json.dumps(hidden))
    with pytest.raises(InputError, match=r"its secrets are not kept: give --weights"):
        recorded_settings(str(tmp_path))


@pytest.mark.parametrize("text", [None, "{", "[]", '{"configuration": 1}'])
def test_published_weights_need_no_record(text: str | None, tmp_path: Path) -> None:
    known = WEIGHT_SETS[0]
    fingerprinted(tmp_path, f"sha256:{known.sha256}")
    if text is not None:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / "r1.json").write_text(text)
    assert recorded_settings(str(tmp_path)) == {"weights": known.name, "fps": "1", "frame_features": False}


@pytest.mark.parametrize("seconds", ["x", "-1", "9" * 5_000])
def test_a_length_that_is_no_number_is_refused(seconds: str, tmp_path: Path) -> None:
    fingerprinted(tmp_path, "random:0", **{"sampling.max_seconds": seconds})
    with pytest.raises(InputError, match=r"sampling\.max_seconds\), which is no number"):
        recorded_settings(str(tmp_path))


def test_a_file_that_is_no_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "part.parquet").write_text("no shard")
    with pytest.raises(DatasetError, match="is no feature shard"):
        recorded_settings(str(tmp_path))

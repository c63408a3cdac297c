"""The plan of a night: its parts follow from the checkpoints, and all that is wrong is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.nightly.config import NightlyOptions
from cluster.nightly.parts.extraction import Extraction
from cluster.nightly.parts.feature_labels import FeatureLabels
from cluster.nightly.parts.video_labels import VideoLabels
from cluster.nightly.plan import planned_night, read_night
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.engines import refuse_engine
from tests.support.exports import exported

WEIGHTS = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("night")
    write_clip_videos(root / "videos", 2)
    write_trained(root / "actions", trained_clips())
    write_trained(root / "logistic", trained("logistic", rgb_dim=1024))
    return root


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)


def options(root: Path, *checkpoints: str, **changes: Any) -> NightlyOptions:
    places = {name: str(root / name) for name in ("videos", "labels")}
    checkpoint = tuple(str(root / name) for name in checkpoints)
    return NightlyOptions.of(**{**places, "checkpoint": checkpoint, "date": "2026-03-01", "engine": "local", **changes})


def test_a_classifier_of_clips_needs_no_features(root: Path) -> None:
    with planned_night(read_night(options(root, "actions"))) as (plan, engine):
        (part,) = plan.parts
        assert isinstance(part, VideoLabels)
        assert plan.first is plan.labels is part
        assert (plan.subject.labels_of, plan.subject.extracts, plan.subject.weights_warning) == ("videos", False, None)
        assert plan.subject.fingerprint["clips.model"] == "r3d-18"
        assert plan.subject.model == part.classifier.name
        assert plan.outcome_of("extraction", "of other options") is None
        assert engine.machine().cpus == 0  # it has not started


def test_an_exported_file_labels_videos_without_its_checkpoint(root: Path) -> None:
    (root / "actions.onnx").write_bytes(exported(trained_clips())[1])
    with planned_night(read_night(options(root, "actions.onnx"))) as (plan, _):
        (part,) = plan.parts
        assert isinstance(part, VideoLabels)
        assert plan.subject.model.endswith("-onnx-fp32")
        assert plan.subject.fingerprint["clips.backend"] == "onnx"


def test_features_are_extracted_first_where_they_are_wanted(root: Path) -> None:
    wanted = options(root, "actions", features=str(root / "features"), **WEIGHTS)
    inputs = read_night(wanted)
    assert inputs.extraction is not None
    with planned_night(inputs) as (plan, _):
        extraction, labels = plan.parts
        assert isinstance(extraction, Extraction)
        assert isinstance(labels, VideoLabels)
        assert plan.first is extraction
        assert labels.videos is extraction.videos  # the manifest is read once
        assert (plan.subject.labels_of, plan.subject.extracts) == ("videos", True)
        assert plan.subject.fingerprint.keys() >= {"sampling.fps", "clips.model"}
        assert plan.subject.weights_warning is not None
        assert [page.title for page in extraction.plan.related] == ["Night of 1 March"]


def test_a_classifier_of_features_labels_those_that_are_extracted(root: Path) -> None:
    wanted = options(root, "logistic", features=str(root / "features"), **WEIGHTS)
    with (
        pytest.raises(InputError, match="what these options extract: not the features"),
        planned_night(read_night(wanted)),
    ):
        pass
    with planned_night(read_night(options(root, "actions", features=str(root / "features"), **WEIGHTS))) as (plan, _):
        fingerprint = {key: value for key, value in plan.subject.fingerprint.items() if not key.startswith("clips.")}
    write_trained(root / "fitting", trained("logistic", rgb_dim=1024, fingerprint=fingerprint))
    with planned_night(read_night(options(root, "fitting", features=str(root / "features"), **WEIGHTS))) as (plan, _):
        extraction, labels = plan.parts
        assert isinstance(labels, FeatureLabels)
        assert (plan.first, plan.video_parts) == (extraction, [extraction])
        assert (plan.subject.labels_of, plan.subject.fingerprint) == ("features", fingerprint)
    wanted = options(root, "fitting", features=str(root / "features"), **WEIGHTS, timeline=True, window=0.5)
    with pytest.raises(InputError) as error, planned_night(read_night(wanted)):
        pass
    assert "--timeline takes the features of single frames: give --frame-features" in str(error.value)
    assert "--window is 0.5 s, but these features are 1 s apart" in str(error.value)


@pytest.mark.parametrize(
    ("checkpoints", "changes", "problems"),
    [
        (("logistic",), {}, ["logistic takes features: give --features"]),
        (
            ("logistic",),
            {"features": "f", "views": 2, "clip_precision": "fp32"},
            ["--views goes with a classifier of clips; {root}/logistic takes features", "--clip-precision goes with"],
        ),
        (("logistic",), {"features": "f", "backend": "onnx"}, ["--backend goes with a classifier of clips"]),
        (("actions", "logistic"), {}, ["all of clips or all of features"]),
        (("actions",), {"videos": "{root}/none"}, ["{root}/none"]),
        (("none",), {"labels": "https://example.com/x"}, ["none: there is no checkpoint", "cannot be written to"]),
        (
            ("none",),
            {"labels": "https://example.com/x", "features": "f", "weights": "nowhere.pth"},
            ["none: there is no checkpoint", "cannot be written to", "nowhere.pth"],
        ),
    ],
)
def test_what_is_wrong_is_told_at_once(
    root: Path, checkpoints: tuple[str, ...], changes: dict[str, Any], problems: list[str]
) -> None:
    given = {name: value.format(root=root) if isinstance(value, str) else value for name, value in changes.items()}
    with pytest.raises(InputError) as error:
        read_night(options(root, *checkpoints, **given))
    for words in problems:
        assert words.format(root=root) in str(error.value), words
    assert not (root / "labels").exists()

"""The plan of scoring videos: checkpoints, manifest, sampling, precision and datasets, checked before any work."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from cluster.scoring.clip_plan import ClipInputs, ClipPlan, is_same_anywhere, make_clip_plan, read_clip_inputs
from cluster.scoring.config import ScoringOptions
from extractors.clips.sampling import ClipSampling
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips
from tests.support.exports import exported
from tests.support.scoring import DAY

MANIFEST = "id,uri,labels\nfirst,a.mp4,cat\nsecond,b.mp4,dog\n"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained_clips())


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.csv"
    path.write_text(MANIFEST)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    return path


def inputs_of(manifest: Path, checkpoint: Any, **options: Any) -> ClipInputs:
    checkpoints = checkpoint if isinstance(checkpoint, tuple) else (checkpoint,)
    labels = str(manifest.parent / "labels")
    given = ScoringOptions.of(
        checkpoint=checkpoints, labels=labels, videos=str(manifest), **{"date": DAY, "precision": "fp32", **options}
    )
    return read_clip_inputs(given.settings())


def plan_of(manifest: Path, checkpoint: Any, *, on_gpu: bool = False, **options: Any) -> ClipPlan:
    return make_clip_plan(inputs_of(manifest, checkpoint, **options), on_gpu=on_gpu)


def test_a_plan_knows_its_videos_with_their_versions(manifest: Path, checkpoint: str) -> None:
    plan = plan_of(manifest, checkpoint)
    assert plan.videos == 2
    assert [video.id for video in plan.inputs.videos] == ["first", "second"]
    assert all(video.version for video in plan.inputs.videos)
    assert plan.embeddings is None
    assert plan.classifier.config.model == "r3d-18"


def test_the_labels_fingerprint_holds_what_makes_clips(manifest: Path, checkpoint: str) -> None:
    plan = plan_of(manifest, checkpoint)
    names = ["clips.model", "clips.weights", "clips.format", "clips.sampling", "clips.precision", "clips.version"]
    assert list(plan.fingerprint) == names
    assert plan.fingerprint.items() <= plan.label_fingerprint.items()
    other = plan_of(manifest, checkpoint, views=3)
    assert other.fingerprint["clips.sampling"] != plan.fingerprint["clips.sampling"]


def test_options_replace_the_sampling_of_the_checkpoint(manifest: Path, tmp_path: Path) -> None:
    stored = write_trained(tmp_path / "views", trained_clips(sampling=ClipSampling(views=2, crops=3)))
    assert plan_of(manifest, stored).inputs.sampling == ClipSampling(views=2, crops=3)
    assert plan_of(manifest, stored, views=5, crops=1).inputs.sampling == ClipSampling(views=5, crops=1)


def test_labels_must_not_depend_on_chance(manifest: Path, tmp_path: Path) -> None:
    stored = write_trained(tmp_path / "random", trained_clips(sampling=ClipSampling(placement="random")))
    with pytest.raises(InputError, match="chance"):
        plan_of(manifest, stored)


def test_gpus_take_bf16_unless_told_otherwise(manifest: Path, checkpoint: str) -> None:
    assert plan_of(manifest, checkpoint, on_gpu=True, precision="auto").fingerprint["clips.precision"] == "bf16"
    assert plan_of(manifest, checkpoint, on_gpu=True, precision="fp16").fingerprint["clips.precision"] == "fp16"
    assert plan_of(manifest, checkpoint).fingerprint["clips.precision"] == "fp32"


def test_only_some_precisions_depend_on_the_place(
    manifest: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_same(precision: str) -> bool:
        return is_same_anywhere(inputs_of(manifest, checkpoint, precision=precision))

    assert is_same("fp32")
    assert not is_same("fp16")  # CPUs lack it
    for has_bf16 in (False, True):
        monkeypatch.setattr("extractors.networks.cpu_precision.has_cpu_bf16", lambda: has_bf16)  # noqa: B023
        assert is_same("auto") == has_bf16


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_exported_file_needs_no_checkpoint_and_stays_off_gpus(
    precision: str, manifest: Path, checkpoint: str, tmp_path: Path
) -> None:
    file = tmp_path / "file.onnx"
    file.write_bytes(exported(trained_clips(), precision)[1])
    plan = plan_of(manifest, str(file), on_gpu=True, precision="auto")
    of_torch = plan_of(manifest, checkpoint)
    assert plan.fingerprint["clips.precision"] == precision
    assert plan.fingerprint["clips.backend"] == "onnx"
    assert plan.fingerprint["clips.files"] == hashlib.sha256(file.read_bytes()).hexdigest()
    for part in ("clips.model", "clips.weights", "clips.format", "clips.sampling"):
        assert plan.fingerprint[part] == of_torch.fingerprint[part]
    assert plan.writer.stamp.model == f"{of_torch.writer.stamp.model}-onnx-{precision}"
    assert (plan.inputs.runs_on_gpus, of_torch.inputs.runs_on_gpus) == (False, True)
    assert (list(plan.worker.networks), list(of_torch.worker.networks)) == ([], ["network"])


def test_embeddings_go_to_a_feature_dataset(manifest: Path, checkpoint: str) -> None:
    root = str(manifest.parent / "embeddings")
    plan = plan_of(manifest, checkpoint, embeddings=root)
    assert plan.embeddings is not None
    assert plan.embeddings.root == root
    assert plan.worker.stage.with_embedding


def test_all_problems_are_reported_at_once(manifest: Path, checkpoint: str, tmp_path: Path) -> None:
    features = write_trained(tmp_path / "features", trained())
    manifest.write_text("id,uri\na,b,c,d\n")
    with pytest.raises(InputError) as caught:
        plan_of(
            manifest,
            (checkpoint, features),
            embeddings="http://example.com/e",
            submission=str(tmp_path / "s.csv"),
        )
    text = str(caught.value)
    for part in ("takes features", "give one checkpoint with --embeddings", "manifest.csv", "http://example.com/e"):
        assert part in text


def test_an_id_that_no_submission_can_hold(manifest: Path, checkpoint: str) -> None:
    manifest.write_text('id,uri\n"a,1",a.mp4\n')
    assert plan_of(manifest, checkpoint).videos == 1
    with pytest.raises(InputError, match="submission"):
        plan_of(manifest, checkpoint, submission=str(manifest.parent / "s.csv"))


def test_videos_that_were_read_before_are_not_read_again(manifest: Path, checkpoint: str) -> None:
    videos = plan_of(manifest, checkpoint).inputs.videos
    labels = str(manifest.parent / "labels")
    given = ScoringOptions.of(checkpoint=(checkpoint,), labels=labels, videos="gone", date=DAY)
    assert read_clip_inputs(given.settings(), videos).videos is videos
    with pytest.raises(InputError, match="gone"):
        read_clip_inputs(given.settings())

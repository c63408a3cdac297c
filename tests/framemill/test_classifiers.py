"""`load_classifier`: labels from tables of features, and from videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import framemill
from cluster.storage import files
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.features import feature_row, write_shard
from tests.support.servers import gs_bucket

RANDOM = {"weights": "random:0", "pca": "random:0", "audio_weights": "random:0", "audio_pca": "random:0"}
ROWS = [feature_row(number, frames=number % 4 + 1) for number in range(5)]


@pytest.fixture
def features(tmp_path: Path) -> Path:
    write_shard(tmp_path / "features" / "a.parquet", ROWS)
    return tmp_path


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
@pytest.mark.parametrize(("model", "frames"), [("dense-5", False), ("netvlad", True)])
def test_a_table_of_features_is_labelled(features: Path, tmp_path: Path, model: str, frames: bool, task: str) -> None:
    classifier = framemill.load_classifier(write_trained(tmp_path / "model", trained(model, task=task)))
    table = framemill.read(features, frames=frames)
    found, proba = classifier.predict(table, top_k=2), classifier.predict_proba(table)
    assert found.id.tolist() == [row.id for row in ROWS]
    assert proba.shape == (5, 6)
    best = proba.argsort(axis=1)[:, ::-1]
    assert found.label.tolist() == [classifier.classes[place] for place in best[:, 0]]
    for labels, row, order in zip(found.labels, proba, best, strict=True):
        assert [name for name, _ in labels] == [classifier.classes[place] for place in order[:2]]
        np.testing.assert_allclose([score for _, score in labels], row[order[:2]], rtol=1e-5)
    if task == "single-label":
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_a_table_of_arrow_has_the_same_labels(features: Path, tmp_path: Path) -> None:
    classifier = framemill.load_classifier(write_trained(tmp_path / "model", trained("netvlad")))
    one, other = (framemill.read(features, frames=True, form=form) for form in ("pandas", "arrow"))
    assert classifier.predict(one).labels.tolist() == classifier.predict(other).labels.tolist()
    assert len(classifier.predict(other.replace_schema_metadata(None))) == len(one)
    strange = framemill.load_classifier(write_trained(tmp_path / "b", trained("netvlad", fingerprint={"source": "b"})))
    with pytest.raises(framemill.InputError, match="not the features"):
        strange.predict(other)


def test_features_of_other_options_are_refused(features: Path, tmp_path: Path) -> None:
    classifier = framemill.load_classifier(write_trained(tmp_path / "model", trained(fingerprint={"source": "other"})))
    with pytest.raises(framemill.InputError, match="not the features that model 'dense-5' was trained on"):
        classifier.predict(framemill.read(features))


def test_what_is_wrong_with_a_table_is_told(features: Path, tmp_path: Path) -> None:
    table = framemill.read(features)
    frames = framemill.load_classifier(write_trained(tmp_path / "frames", trained("netvlad")))
    with pytest.raises(framemill.InputError, match=r"no column rgb, audio: framemill\.read\(…, frames=True\) has them"):
        frames.predict(table)
    wide = framemill.load_classifier(write_trained(tmp_path / "wide", trained(rgb_dim=32)))
    with pytest.raises(framemill.InputError, match=r"rgb is of shape \(16,\), and .* takes features 32 wide"):
        wide.predict(table)
    table.at[0, "mean_rgb"] = np.full(16, np.nan, np.float32)
    with pytest.raises(framemill.InputError, match="mean_rgb has NaN or infinite values in 1 rows"):
        framemill.load_classifier(write_trained(tmp_path / "narrow", trained())).predict(table)


def test_an_empty_table_has_no_labels(features: Path, tmp_path: Path) -> None:
    classifier = framemill.load_classifier(write_trained(tmp_path / "model", trained()))
    assert len(classifier.predict(framemill.read(features).iloc[:0])) == 0


def test_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(framemill.InputError, match=r"config\.json"):
        framemill.load_classifier(tmp_path)


def test_videos_are_extracted_as_the_training_data_was(tmp_path: Path) -> None:
    videos = write_clip_videos(tmp_path / "videos", 2)
    framemill.extract(tmp_path / "videos", tmp_path / "features", **RANDOM)
    table = framemill.read(tmp_path / "features")
    fingerprint = table.attrs["framemill.fingerprint"]
    place = write_trained(tmp_path / "model", trained("logistic", rgb_dim=1024, fingerprint=fingerprint))
    classifier = framemill.load_classifier(place)
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"")
    broken = tmp_path / "videos" / "broken.mp4"
    found = classifier.predict([videos[1], broken, videos[0]])
    expected = classifier.predict(table.set_index("uri").loc[[str(videos[1]), str(videos[0])]])
    assert found.failure.tolist() == [None, "empty", None]
    assert found.id.tolist() == [str(path.with_suffix("")) for path in (videos[1], broken, videos[0])]
    assert found.labels.tolist() == [expected.labels[0], [], expected.labels[1]]


def test_rows_of_a_manifest_come_in_its_order(tmp_path: Path) -> None:
    first, second = write_clip_videos(tmp_path / "videos", 2)
    place = write_trained(tmp_path / "model", trained_clips())
    with gs_bucket() as bucket:
        files.write_bytes(f"{bucket}/m.csv", f"id,uri\nz,{second}\nm,{tmp_path}/none.mp4\na,{first}\n".encode())
        found = framemill.load_classifier(place, allow_local_files=True).predict(f"{bucket}/m.csv")
    assert found.id.tolist() == ["z", "m", "a"]
    assert found.failure.tolist() == [None, "missing", None]


def test_weights_without_a_name_have_to_be_given(tmp_path: Path) -> None:
    fingerprint = {"frames.weights": "sha256:" + "0" * 64}
    classifier = framemill.load_classifier(write_trained(tmp_path / "model", trained(fingerprint=fingerprint)))
    with pytest.raises(framemill.InputError, match="no published set: give weights"):
        classifier.predict("videos/")


def test_a_classifier_of_clips_looks_at_videos(features: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    videos = write_clip_videos(tmp_path / "videos", 2)
    classifier = framemill.load_classifier(write_trained(tmp_path / "model", trained_clips()))
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"")
    assert classifier.takes == "clips"
    found = classifier.predict([videos[1], tmp_path / "videos" / "broken.mp4", videos[0]], top_k=2)
    assert found.failure.tolist() == [None, "empty", None]
    assert {found.label[0], found.label[2]} <= set(classifier.classes)
    assert [len(labels) for labels in found.labels] == [2, 0, 2]
    again = classifier.predict(tmp_path / "videos", top_k=2)
    assert again.id.tolist() == sorted(again.id)
    assert again.labels[list(again.id).index(videos[0].stem)] == found.labels[2]
    with pytest.raises(framemill.InputError, match="looks at clips"):
        classifier.predict_proba(framemill.read(features))

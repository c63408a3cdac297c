import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cluster.datasets.folder import DatasetError
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.plan import make_plan, read_inputs
from extractors.networks.cpu_precision import has_cpu_int8
from extractors.networks.precision import resolve_precision
from extractors.weights.resolve import hash_path
from schemas.errors import InputError
from schemas.features import FeatureRow

RANDOM = {"weights": "random:0", "pca": "random:0", "audio_weights": "random:0", "audio_pca": "random:0", "quiet": True}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "m.csv").write_text("id,uri,labels\na,a.mp4,dog;cat\nb,b.mp4,\n")
    return ExtractionOptions.of(input=f"{tmp_path}/m.csv", output=f"{tmp_path}/out", **RANDOM)


def test_a_plan_holds_what_is_asked_for(config, tmp_path):
    plan = make_plan(config, read_inputs(config), on_gpu=False)
    assert [video.id for video in plan.videos] == ["a", "b"]
    assert plan.weights_warning == (
        "random weights, as requested: frames random:0, frame-pca random:0, sound random:0, sound-pca random:0"
    )
    assert plan.run_id[8] == "T"
    assert plan.run_id != make_plan(config, read_inputs(config), on_gpu=False).run_id
    assert not (tmp_path / "out").exists()


def test_a_precision_that_the_machine_lacks_is_bad_input(config):
    with pytest.raises(InputError, match="fp16' needs CUDA"):
        make_plan(config.with_values(precision="fp16"), read_inputs(config), on_gpu=False)


def test_int8_is_for_frames_on_cpus(config):
    config = config.with_values(precision="int8")
    with pytest.raises(InputError, match="this cluster has GPUs"):
        make_plan(config, read_inputs(config), on_gpu=True)
    if has_cpu_int8():
        fingerprint = make_plan(config, read_inputs(config), on_gpu=False).fingerprint
        assert fingerprint["frames.precision"] == "int8"
        assert fingerprint["sound.precision"] == resolve_precision("auto", torch.device("cpu"))
    else:
        with pytest.raises(InputError, match="VNNI"):
            make_plan(config, read_inputs(config), on_gpu=False)


def test_what_changes_a_feature_is_in_the_fingerprint(config):
    inputs = read_inputs(config)
    config = config.with_values(precision="bf16")
    plain = make_plan(config, inputs, on_gpu=False).fingerprint
    assert plain["frames.weights"] == plain["sound.pca"] == "random:0"
    for changes in ({"fps": "2"}, {"max_seconds": 9}, {"precision": "fp32"}):
        assert make_plan(config.with_values(**changes), inputs, on_gpu=False).fingerprint != plain
    for changes in ({"weights": "random:1"}, {"pca": "none"}, {"audio_weights": "random:1"}, {"audio_pca": "none"}):
        other = config.with_values(**changes)
        assert make_plan(other, read_inputs(other), on_gpu=False).fingerprint != plain
    same = {
        "fps": "2/2",
        "segment_seconds": 7,
        "rows_per_shard": 3,
        "workers": 5,
        "frame_features": True,
        "time_limit": 9.0,
    }
    assert make_plan(config.with_values(**same), inputs, on_gpu=False).fingerprint == plain


def test_all_problems_of_manifest_and_weights_are_told_together(tmp_path):
    config = ExtractionOptions.of(
        input=f"{tmp_path}/none.csv",
        output=f"{tmp_path}/out",
        weights="random:x",
        pca="yt9m",
        audio_weights=f"{tmp_path}/no.pth",
        audio_pca="ftp://host/pca.npz",
        quiet=True,
    )
    with pytest.raises(InputError) as caught:
        read_inputs(config)
    assert len(caught.value.problems) == 5
    for problem, words in zip(
        caught.value.problems,
        ("No such file", "random:x", "yt8m", "no.pth", "only these schemes are read"),
        strict=True,
    ):
        assert words in problem


def test_another_way_of_making_features_is_refused(config, tmp_path):
    plan = make_plan(config, read_inputs(config), on_gpu=False)
    extractor = plan.worker.stage
    vectors = [np.zeros(embedder.dim, np.float32) for embedder in (extractor.frames, extractor.sound)]
    plan.dataset.commit(0, [(FeatureRow("a", (), *vectors, False, 1, 1.0, "a.mp4"), "")], [], ())
    shard = next((tmp_path / "out/features").iterdir())
    assert b"random weights" in pq.read_schema(shard).metadata[b"framemill.note"]
    other = config.with_values(fps="2", pca="none")
    with pytest.raises(DatasetError) as caught:
        make_plan(other, read_inputs(other), on_gpu=False)
    for words in ("--pca: random:0 there, none here", "--fps: 1 there, 2 here"):
        assert words in str(caught.value)


def test_all_missing_weights_are_one_list_beside_other_problems(config, tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing answers
    with pytest.raises(InputError) as caught:
        read_inputs(config.with_values(weights="inception-2015", audio_weights="vggish", pca="nothing.npz"))
    other, missing = caught.value.problems
    assert "'nothing.npz' for frame-pca not found" in other
    wanted = [line.partition(": ")[0].strip() for line in missing.splitlines()[1:5:2]]
    assert wanted == ["inception-2015 for frames", "vggish for sound"]
    assert missing.count("curl -fL") == 2


def test_weights_are_found_by_file_uris(config, tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "a folder"
    folder.mkdir()
    np.savez(folder / "p.npz", pca_means=np.zeros((128, 1)), pca_eigen_vectors=np.eye(128))
    found = read_inputs(config.with_values(audio_pca=f"file://localhost{tmp_path}/a%20folder/p.npz")).weights[
        "sound-pca"
    ]
    assert found.sha256 == hash_path(folder / "p.npz")
    wrong = {f"file://elsewhere{tmp_path}/p.npz": "an absolute path follows file://", "ftp://host/p.npz": "only these"}
    for uri, message in wrong.items():
        with pytest.raises(InputError, match=message):
            read_inputs(config.with_values(audio_pca=uri))

"""Runs with exported files: the labels and timelines of torch, and what is wrong told before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from classifiers.weights.checkpoint import Checkpoint
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import ScoringOptions
from cluster.scoring.early_start import run_scoring
from cluster.scoring.job import score_videos
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import FLOW_OPTIONS, trained_clips, trained_stream, write_clip_videos
from tests.support.exports import exported
from tests.support.scoring import DAY

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def threads():
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_clip_videos(folder, 2, frames=60)
    return folder


def options(videos: Path, checkpoint: Any, labels: Path, **changes: Any) -> ScoringOptions:
    return ScoringOptions.of(
        checkpoint=(str(checkpoint),),
        labels=str(labels),
        videos=str(videos),
        **{"date": DAY, "engine": "local", "quiet": True, **changes},
    )


def rows_of(labels: Path) -> list[dict[str, Any]]:
    found = [row for path in sorted(labels.glob(f"date={DAY}/*")) for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: row["id"])


def scores_of(row: dict[str, Any]) -> np.ndarray:
    """All scores, in the order of the classes, and of the steps before that."""
    steps = [(one["seconds"], one["index"], one["score"]) for one in row.get("timeline") or ()]
    return np.array(sorted([(-1.0, one["index"], one["score"]) for one in row["labels"]] + steps))


def two_streams() -> Checkpoint:
    return trained_clips("i3d-two-stream", options=FLOW_OPTIONS, flow="dis")


@pytest.mark.parametrize(
    ("make", "given"),
    [
        pytest.param(trained_clips, {"views": 2}, id="clips", marks=pytest.mark.heavy),
        pytest.param(trained_clips, {"timeline": True, "stride": 0.5}, id="windows", marks=pytest.mark.heavy),
        pytest.param(trained_stream, {"timeline": True, "timeline_hz": 5.0}, id="stream"),
        pytest.param(two_streams, {"timeline": True, "stride": 0.5}, id="two streams"),
    ],
)
def test_an_exported_file_alone_gives_the_labels_of_its_checkpoint(
    make: Any, given: dict[str, Any], videos: Path, tmp_path: Path
) -> None:
    checkpoint: Checkpoint = make()
    file = tmp_path / "file.onnx"
    file.write_bytes(exported(checkpoint)[1])
    folder = write_trained(tmp_path / "checkpoint", checkpoint)
    score_videos(options(videos, folder, tmp_path / "torch", precision="fp32", **given).settings())
    record = score_videos(options(videos, file, tmp_path / "onnx", **given).settings())
    assert (record.status, record.counts.scored) == ("completed", 2)
    expected, found = rows_of(tmp_path / "torch"), rows_of(tmp_path / "onnx")
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(scores_of(one), scores_of(other), rtol=0, atol=TOLERANCE)
        assert one["model"] == f"{other['model']}-onnx-fp32"
    assert record.label_fingerprint["clips.backend"] == "onnx"
    assert record.models[0].uri == str(file)
    again = score_videos(options(videos, file, tmp_path / "onnx", **given).settings())
    assert (again.counts.scored, again.counts.already_labelled) == (0, 2)


def test_embeddings_are_those_of_the_file(videos: Path, tmp_path: Path) -> None:
    """They go to a dataset of their own: no file makes quite the same numbers as its checkpoint."""
    checkpoint = trained_clips()
    folder = tmp_path / "checkpoint"
    write_trained(folder, checkpoint)
    (folder / "model.onnx").write_bytes(exported(checkpoint)[1])
    given = {"embeddings": str(tmp_path / "embeddings")}
    record = score_videos(options(videos, folder, tmp_path / "labels", backend="onnx", **given).settings())
    assert record.counts.embedded == 2
    with pytest.raises(InputError, match=r"--backend: onnx there"):
        score_videos(options(videos, folder, tmp_path / "torch", precision="fp32", **given).settings())


def test_what_is_wrong_is_told_before_any_work(videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file.onnx"
    file.write_bytes(exported(trained_clips())[1])
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(file.read_bytes()[:1000])
    for checkpoint, changes, problem in (
        (broken, {}, "it is damaged or no ONNX file"),
        (tmp_path / "none.onnx", {}, "none.onnx: there is no such file"),
        (write_trained(tmp_path / "features", trained()), {"backend": "onnx"}, "takes features, which torch alone"),
        (file, {"timeline": True}, "give --stride"),
    ):
        caplog.clear()
        assert run_scoring(options(videos, checkpoint, tmp_path / "labels", **changes)) == ExitCode.BAD_INPUT
        assert problem in caplog.text
    for changes, problem in (
        ({"precision": "fp32"}, "an exported file has its own"),
        ({"backend": "torch"}, "takes the folder of a checkpoint"),
    ):
        with pytest.raises(InputError, match=problem):
            options(videos, file, tmp_path / "labels", **changes)
    with pytest.raises(InputError, match=r"file\.onnx takes clips of videos: give --videos"):
        ScoringOptions.of(checkpoint=(str(file),), labels="l", features=("f",))
    assert not (tmp_path / "labels").exists()

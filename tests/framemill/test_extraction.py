"""`framemill.extract`: the job in one call."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import framemill
from tests.support.videos import Clip, write_video

RANDOM = {"weights": "random:0", "pca": "random:0", "audio_weights": "random:0", "audio_pca": "random:0"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "broken.mp4").write_bytes(b"")
    return [*(write_video(folder / f"{name}.mp4", Clip(frames=30)) for name in "ab"), folder / "broken.mp4"]


def test_a_run_adds_what_is_new_and_tells_what_failed(videos: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "features"
    first = framemill.extract(videos[:1], output, **RANDOM)
    assert (first.videos, first.extracted, first.already_done, first.failures) == (1, 1, 0, {})
    second = framemill.extract(videos, output, **RANDOM)
    assert (second.videos, second.extracted, second.already_done) == (3, 1, 1)
    assert second.failures == {str(videos[2].with_suffix("")): "empty"}
    assert Path(second.report).is_file()
    assert framemill.read(output).uri.tolist() == [str(path) for path in videos[:2]]
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == ["failures", "features", "ledger", "runs"]


def test_a_table_gives_labels_and_splits(videos: list[Path], tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["x"], "uri": [str(videos[0])], "labels": ["dog"], "split": ["train"]})
    framemill.extract(table, tmp_path / "features", **RANDOM)
    row = framemill.read(tmp_path / "features").iloc[0]
    assert (row.id, row.split, row.labels.tolist()) == ("x", "train", [0])


def test_wrong_options_are_refused_before_anything_is_written(videos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(framemill.InputError, match="fps must be"):
        framemill.extract(videos[:1], tmp_path / "features", fps="fast", **RANDOM)
    with pytest.raises(TypeError, match="no options framefeatures"):
        framemill.extract(videos[0], tmp_path / "features", framefeatures=True)
    with pytest.raises(framemill.InputError, match="framemill extract --dry-run"):
        framemill.extract(videos[0], tmp_path / "features", dry_run=True, **RANDOM)
    assert not (tmp_path / "features").exists()


def test_problems_late_in_a_large_table_are_told(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.datasets.manifest.FIRST_ROWS", 2)
    table = pd.DataFrame({"id": ["x", "y", "z"], "uri": [*map(str, videos[:2]), str(videos[0])]})
    assert framemill.extract(table, tmp_path / "features", **RANDOM).extracted == 3
    table = pd.concat([table, pd.DataFrame({"id": ["x"], "uri": ["other.mp4"]})])
    for output in ("features", "new"):  # before any work, and during the first of it
        with pytest.raises(framemill.InputError, match="id 'x' stands for both"):
            framemill.extract(table, tmp_path / output, **RANDOM)


def test_a_rate_is_a_number_or_text(videos: list[Path], tmp_path: Path) -> None:
    framemill.extract(videos[:1], tmp_path / "features", fps=2, **RANDOM)
    assert framemill.read(tmp_path / "features").num_frames.tolist() == [3]


def test_a_dataset_of_other_options_is_refused(videos: list[Path], tmp_path: Path) -> None:
    framemill.extract(videos[0], tmp_path / "features", **RANDOM)
    with pytest.raises(framemill.InputError, match="other options"):
        framemill.extract(videos[0], tmp_path / "features", **{**RANDOM, "weights": "random:1"})

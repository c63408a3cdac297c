"""What readers of data sets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.datasets.clip_dataset import DatasetLocation, by_stem, lines_of, list_of_files, refuse, stem_of
from cluster.datasets.manifest_videos import ManifestError
from tests.cluster.datasets.test_public_datasets import touch
from tests.support.tars import tar_bytes


def test_videos_are_found_by_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.mp4", "b/y.avi", "b/old/z.mp4", "notes.txt")
    location = DatasetLocation(str(tmp_path), exclude=("old",))
    assert {stem: video.id for stem, video in by_stem(location).items()} == {"x": "a/x", "y": "b/y"}
    assert [stem_of(uri) for uri in list_of_files(str(tmp_path), ("old",))] == ["x", "y", "notes"]
    touch(tmp_path, "c/x.mkv")
    with pytest.raises(ManifestError, match="'x' is the name of 2 videos"):
        by_stem(location)


def test_members_of_tars_are_found_by_their_names(tmp_path: Path) -> None:
    names = ("n/x.avi", "n/y.left.mp4", "n/y.right.mp4", "n/z.v2.mp4")
    (tmp_path / "00.tar").write_bytes(tar_bytes((name, b"x") for name in names))
    touch(tmp_path, "w.mp4")
    assert list(by_stem(DatasetLocation(str(tmp_path)))) == ["x", "y.left", "y.right", "z", "w"]
    (tmp_path / "01.tar").write_bytes(tar_bytes([("m/x.avi", b"x")]))
    with pytest.raises(ManifestError, match="'x' is the name of 2 videos"):
        by_stem(DatasetLocation(str(tmp_path)))


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\n one \r\n\xff\n")
    with pytest.raises(ManifestError, match="it cannot be read: line 3"):
        lines_of(str(tmp_path / "list.txt"))
    with pytest.raises(ManifestError, match="it cannot be listed"):
        list_of_files(str(tmp_path / "none"))
    refuse("here", [])

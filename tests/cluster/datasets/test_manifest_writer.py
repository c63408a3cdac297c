"""What is written is read back as it was, in every format."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from cluster.datasets.manifest import ManifestError, read_videos
from cluster.datasets.manifest_writer import write_manifest
from schemas.videos import Video

VIDEOS = [
    Video("a/b, c", "/videos/a.mp4", ("Ice Dancing", 'quoted "x"'), "train", 3, 9),
    Video("é", "gs://bucket/é.avi", ("12 steps",), "test"),
    Video("n", "/videos/line\nbreak.mp4", (), ""),
    Video("p", "/videos/a.mp4", ("x",), "", Fraction(1, 10**6), Fraction(10**15 - 1, 10**6), group="one, two"),
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".ndjson", ".parquet"])
def test_it_is_read_back_as_it_was(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"manifest{suffix}")
    write_manifest(path, VIDEOS)
    assert read_videos(path) == VIDEOS


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_class_indices(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"manifest{suffix}")
    videos = [Video("a", "/a.mp4", (3, 17), "train")]
    write_manifest(path, videos)
    assert read_videos(path) == videos


@pytest.mark.parametrize("label", ["7", "a;b", " a"])
def test_labels_that_would_be_read_as_something_else_are_refused(label: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="rename it"):
        write_manifest(str(tmp_path / "manifest.csv"), [Video("a", "/a.mp4", (label,))])

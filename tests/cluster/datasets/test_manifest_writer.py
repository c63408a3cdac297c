"""What is written is read back as it was, in every format."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.manifest_writer import write_manifest
from schemas.spoken_words import SpokenWord
from schemas.videos import Video

VIDEOS = [
    Video("a/b, c", "/videos/a.mp4", ("Ice Dancing", 'quoted "x"'), "train", 3, 9),
    Video("é", "gs://bucket/é.avi", ("12 steps",), "test"),
    Video("n", "/videos/line\nbreak.mp4", (), ""),
    Video("p", "/videos/a.mp4", ("x",), "", Fraction(1, 10**6), Fraction(10**15 - 1, 10**6), group="one, two"),
]
SPOKEN = [
    Video("s", "/s.mpg", text='bin "blue", é'),
    Video(
        "w",
        "/w.mpg",
        start_seconds=1,
        end_seconds=4,
        text="bin blue",
        words=(SpokenWord("bin", 1, Fraction(1_000_001, 10**6)), SpokenWord("blue", Fraction(29, 25), 4)),
    ),
]


@pytest.mark.parametrize("videos", [VIDEOS, SPOKEN, SPOKEN[:1]])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".ndjson", ".parquet"])
def test_it_is_read_back_as_it_was(suffix: str, videos: list[Video], tmp_path: Path) -> None:
    path = str(tmp_path / f"manifest{suffix}")
    write_manifest(path, videos)
    assert read_videos(path) == videos


def test_sentences_have_columns_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    for videos, columns in ((VIDEOS, "group"), (SPOKEN[:1], "group,text"), (SPOKEN, "group,text,words")):
        write_manifest(str(path), videos)
        assert path.read_text().splitlines()[0] == f"id,uri,labels,split,start_seconds,end_seconds,{columns}"


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

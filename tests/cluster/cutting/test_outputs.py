"""Manifests of clips: parts of sources, and files with the part that is the clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from cluster.cutting.outputs import write_files_manifest, write_source_manifest
from cluster.datasets.manifest import read_videos
from schemas.cuttings import CutClip, CutVideo, VideoCuts
from schemas.videos import Video


def clip(name: str, start: int, end: int, **given: object) -> CutClip:
    fields = {"labels": ("run",), "frames": 3, "split": "train", "group": "anna", **given}
    return CutClip(id=name, start_microseconds=start, end_microseconds=end, **fields)  # type: ignore[arg-type]


def cuts_of(*clips: CutClip) -> VideoCuts:
    cut = CutVideo(
        frames=9,
        duration_seconds=9.0,
        rate=1.0,
        is_variable=False,
        clips=clips,
        findings=(),
        records=(),
        bytes_written=0,
        seconds_by_stage={},
    )
    return VideoCuts(id="a", uri="s3://bucket/a.mp4?***", fingerprint="", cut=cut, failure=None)


FAILED = VideoCuts(id="b", uri="b", fingerprint="", cut=None, failure=None)
CLIPS = (
    clip("a#0", 483_333, 1_500_000, file="x-0.mp4"),
    clip("a#1", 0, 2_000_000, labels=("run", "walk"), file="x-1.mkv", before_microseconds=250_000),
    clip("a#2", 5, 9),
)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_times_are_read_back_to_the_microsecond(tmp_path: Path, suffix: str) -> None:
    path = str(tmp_path / f"clips{suffix}")
    write_source_manifest(path, [cuts_of(*CLIPS), FAILED], {"a": "s3://bucket/a.mp4"})
    first, second, third = read_videos(path)
    assert first == Video(
        "a#0", "s3://bucket/a.mp4", ("run",), "train", Fraction(483_333, 1_000_000), Fraction(3, 2), group="anna"
    )
    assert (second.start_seconds, second.end_seconds, second.labels) == (0, 2, ("run", "walk"))
    assert (third.start_seconds, third.end_seconds) == (Fraction(5, 1_000_000), Fraction(9, 1_000_000))


def test_files_are_whole_or_name_their_part(tmp_path: Path) -> None:
    path = str(tmp_path / "clips.csv")
    write_files_manifest(path, [cuts_of(*CLIPS)])
    whole, part = read_videos(path)
    assert (whole.uri, whole.start_seconds, whole.end_seconds) == (str(tmp_path / "x-0.mp4"), 0, None)
    assert (part.uri, part.start_seconds, part.end_seconds) == (
        str(tmp_path / "x-1.mkv"),
        Fraction(1, 4),
        Fraction(9, 4),
    )
    write_files_manifest(path, [cuts_of(*CLIPS)], "s3://bucket/clips")
    assert read_videos(path)[0].uri == "s3://bucket/clips/x-0.mp4"


def test_digits_alone_are_a_class_index(tmp_path: Path) -> None:
    path = str(tmp_path / "clips.csv")
    write_files_manifest(path, [cuts_of(clip("a#0", 0, 9, labels=("7",), file="x.mp4"))])
    assert read_videos(path)[0].labels == (7,)

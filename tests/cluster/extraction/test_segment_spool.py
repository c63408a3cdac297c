"""Segments come back from the disk as they were, and leave nothing there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from cluster.extraction.segment_spool import SegmentSpool
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from schemas.codes import Codes
from schemas.errors import InputError


def features(index: int) -> SegmentFeatures:
    rng = np.random.default_rng(index)
    codes = (Codes.of(rng.integers(0, 256, (5, dim), np.uint8)) for dim in (8, 4))
    return SegmentFeatures(Segment(index, 3), 5, 5.0, rng.normal(size=8), rng.normal(size=4), *codes, True, {}, index)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_segments_come_back_by_their_video(folder: Path) -> None:
    spool = SegmentSpool()
    for index, name in enumerate(["a/b", "c", "a/b"]):
        spool.add(name, features(index))
    assert len(list(folder.glob("*/*"))) == 2
    found = spool.take("a/b")
    assert [part.segment.index for part in found] == [0, 2]
    assert spool.take("a/b") == spool.take("unknown") == []
    spool.close()
    assert list(folder.iterdir()) == []
    for part in found:  # mapped from a file that has no name any more
        expected = features(part.segment.index)
        np.testing.assert_array_equal(part.rgb_sum, expected.rgb_sum)
        np.testing.assert_array_equal(part.rgb, expected.rgb)
        np.testing.assert_array_equal(part.audio, expected.audio)


def test_a_video_that_has_failed_is_forgotten(folder: Path) -> None:
    spool = SegmentSpool()
    spool.add("a", features(0))
    spool.forget("a")
    spool.forget("a")
    assert list(folder.glob("*/*")) == []
    spool.add("a", features(1))
    assert [part.size_bytes for part in spool.take("a")] == [1]
    spool.close()


def test_a_disk_that_takes_no_more_is_named(folder: Path) -> None:
    spool = SegmentSpool()
    spool.close()  # a folder that is not there refuses what a full disk refuses
    with pytest.raises(InputError, match=r"(?s)takes no more of a video's features.*TMPDIR"):
        spool.add("a", features(0))

"""Records' frames become videos with the times that the record gives."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from extractors.cutting.frame_list import list_frames
from extractors.cutting.from_jpegs import write_jpegs
from extractors.cutting.span import CutError
from extractors.video.jpeg import encode_jpegs
from schemas.outcomes import FailureCode, Stage, VideoError
from tests.support.cutting import shown
from tests.support.videos import picture, read_number


def test_frames_stand_at_their_times(tmp_path: Path) -> None:
    images = encode_jpegs(np.stack([picture(number, 192, 96) for number in (4, 9, 2)]))
    path = tmp_path / "a.mp4"
    write_jpegs(path, images, [1000, 41_000, 200_000], 260_000, crf=10, max_pixels=1 << 20)
    found = shown(path)
    assert [read_number(image) for _, image in found] == [4, 9, 2]
    assert [seconds for seconds, _ in found] == [0, Fraction(40, 1000), Fraction(199, 1000)]
    assert list_frames(str(path)).duration_seconds == Fraction(259, 1000)


@pytest.mark.parametrize("frames", [[b"no JPEG"], [b""]])
def test_what_is_no_picture_is_refused_and_leaves_no_file(tmp_path: Path, frames: list[bytes]) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(CutError):
        write_jpegs(path, frames, [0], 40_000, crf=10, max_pixels=1 << 20)
    assert not path.exists()


def test_more_pixels_than_allowed_are_refused(tmp_path: Path) -> None:
    images = encode_jpegs(picture(1, 192, 96)[None])
    with pytest.raises(CutError):
        write_jpegs(tmp_path / "a.mp4", images, [0], 40_000, crf=10, max_pixels=1000)


def test_a_full_disk_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    images = encode_jpegs(picture(1, 192, 96)[None])
    path = tmp_path / "a.mp4"
    path.symlink_to("/dev/full")
    with pytest.raises(VideoError, match="No space left on device: free space in the temporary folder") as caught:
        write_jpegs(path, images, [0], 40_000, crf=10, max_pixels=1 << 20)
    assert (caught.value.code, caught.value.stage) == (FailureCode.STORAGE, Stage.WRITE)
    assert not path.is_symlink()

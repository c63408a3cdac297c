"""A thumbnail is a small JPEG of the picture."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.video.thumbnail import LONG_SIDE, blurred, encode_thumbnail, video_thumbnail
from schemas.outcomes import VideoError
from tests.support.videos import Clip, picture, read_number, write_video


def decoded(jpeg: bytes) -> np.ndarray:
    with av.open(io.BytesIO(jpeg)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, (224, 126)),
        (1080, 1920, (126, 224)),
        (96, 48, (96, 48)),
        (101, 51, (100, 52)),
        (1, 1, (2, 2)),
        (4000, 3, (224, 2)),
        (224, 224, (224, 224)),
    ],
)
def test_sizes(width: int, height: int, expected: tuple[int, int]) -> None:
    jpeg = encode_thumbnail(picture(3, max(width, 12), height)[:, :width])
    assert jpeg.startswith(b"\xff\xd8\xff")
    assert jpeg.endswith(b"\xff\xd9")
    assert decoded(jpeg).shape == (expected[1], expected[0], 3)
    assert max(expected) <= LONG_SIDE


def test_a_thumbnail_resembles_its_frame() -> None:
    image = picture(1234, 192, 96)
    assert np.abs(decoded(encode_thumbnail(image)).astype(int) - image).mean() < 6


def test_a_thumbnail_is_small() -> None:
    assert len(encode_thumbnail(picture(5, 1920, 1080))) < 20_000


def test_equal_frames_give_equal_bytes() -> None:
    image = picture(7, 640, 360)
    assert encode_thumbnail(image) == encode_thumbnail(image.copy())


def test_the_thumbnail_is_taken_after_a_third_of_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=240, rate=8))
    thumbnail = video_thumbnail(path)
    assert (thumbnail.seconds, read_number(decoded(thumbnail.jpeg))) == (10.0, 80)
    assert video_thumbnail(path, 12, 21).seconds == 15.0
    assert video_thumbnail(path, 12).seconds == 18.0
    assert 10.2 <= video_thumbnail(path, Fraction("10.2"), Fraction("11.4")).seconds < 11.4
    assert video_thumbnail(path, Fraction("10.7"), Fraction("12.4")).seconds == 11.0
    with path.open("rb") as file:
        assert video_thumbnail(file) == thumbnail


def test_the_thumbnail_is_taken_at_a_moment(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=60, rate=8))  # 7.5 s
    for at, number in ((0, 0), (Fraction(9, 4), 18), (Fraction(7.3), 58), (7.5, 58), (8, 58), (99, 58)):
        thumbnail = video_thumbnail(path, at_seconds=Fraction(at))
        assert read_number(decoded(thumbnail.jpeg)) == pytest.approx(number, abs=1)
        assert thumbnail.seconds == pytest.approx(min(at, 7.25), abs=0.13)
    assert video_thumbnail(path, 2, 3, at_seconds=Fraction(5, 2)).seconds == 2.5
    assert 2.5 <= video_thumbnail(path, 2, 3, at_seconds=Fraction(7, 2)).seconds < 3
    raw = write_video(tmp_path / "a.h264", Clip(frames=60, rate=8, b_frames=0))  # of unknown length
    assert video_thumbnail(raw, at_seconds=Fraction(1, 2)).seconds == 0.5


def test_the_thumbnail_of_a_short_video_is_its_first_frame(tmp_path: Path) -> None:
    thumbnail = video_thumbnail(write_video(tmp_path / "a.mkv", Clip(frames=3)))
    assert (thumbnail.seconds, read_number(decoded(thumbnail.jpeg))) == (0.0, 0)


def test_a_stream_of_unknown_or_excessive_length(tmp_path: Path) -> None:
    raw = write_video(
        tmp_path / "a.h264",
        Clip(frames=30, b_frames=0),
    )
    assert read_number(decoded(video_thumbnail(raw).jpeg)) in range(30)
    assert video_thumbnail(write_video(tmp_path / "b.mp4", Clip(frames=75)), 0, 500).seconds == 1.0


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoError):
        video_thumbnail(tmp_path / "a.mp4")
    with pytest.raises(VideoError):
        video_thumbnail(write_video(tmp_path / "b.mp4", Clip(frames=30)), 400)
    with pytest.raises(VideoError):
        video_thumbnail(tmp_path / "b.mp4", Fraction("400.5"), Fraction("401.5"))


def test_a_blurred_picture_holds_no_more_than_a_few_means():
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    image[:, 96:] //= 2
    found = blurred(image)
    assert found.shape == image.shape
    assert np.abs(np.diff(found.astype(int), axis=1)).max() < 12  # no edge is left
    np.testing.assert_allclose(found.mean((0, 1)), image.mean((0, 1)), atol=4)
    other = image.reshape(90, 5, 32, 3)[:, :, ::-1].reshape(image.shape)  # other details, the same means
    np.testing.assert_allclose(blurred(other), found, atol=1)
    assert len(encode_thumbnail(image, is_blurred=True)) < 4000 < len(encode_thumbnail(image))
    assert blurred(np.zeros((2, 300, 3), np.uint8)).shape == (2, 300, 3)

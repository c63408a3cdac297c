"""What the container crops is not shown: by the same rows and columns as libav reads from it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.video.cropping import Crop, matroska_crops
from extractors.video.decode import sample_frames
from extractors.video.media import open_media
from schemas.clips import ClipFormat
from tests.support.boxes import with_sample_entry
from tests.support.videos import Clip, remux, write_video

WIDTH, HEIGHT = 96, 48
CLIP = Clip(frames=30, width=WIDTH, height=HEIGHT)
# Width and height of the aperture, twice the offsets of its centre: the crop.
APERTURES = {
    (80, 40, 0, 0): Crop(4, 4, 8, 8),
    (80, 40, 8, -4): Crop(2, 6, 12, 4),
    (81, 41, 3, 1): Crop(4, 3, 9, 6),
    (81, 41, 0, 0): Crop(3, 4, 7, 8),
    (1, 1, 0, 0): Crop(23, 24, 47, 48),
    (WIDTH, HEIGHT, 0, 0): None,
    (WIDTH, 40, 0, 8): Crop(8, 0, 0, 0),
    (WIDTH, 40, 0, 10): None,  # beyond the edge
    (200, 20, 0, 0): None,
    (0, 40, 0, 0): None,
}


def with_aperture(path: Path, aperture: tuple[int, int, int, int], plain: Path | None = None) -> Path:
    """A video, or a copy of `plain`, with a clean aperture."""
    width, height, right, down = aperture
    content = struct.pack(">IIIIiIiI", width, 1, height, 1, right, 2, down, 2)
    data = (plain or write_video(path, CLIP)).read_bytes()
    path.write_bytes(with_sample_entry(data, b"vide", 78, {b"clap": content}))
    return path


def crop_of(path: Path) -> Crop | None:
    with open_media(path) as media:
        return media.crop


@pytest.mark.parametrize("aperture", APERTURES)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_clean_aperture_is_the_crop_that_libav_writes_into_matroska(
    aperture: tuple[int, int, int, int], suffix: str, tmp_path: Path
) -> None:
    path = with_aperture(tmp_path / f"clip{suffix}", aperture)
    copy = remux(path, tmp_path / "clip.mkv")
    assert crop_of(path) == crop_of(copy) == APERTURES[aperture]


@pytest.mark.parametrize(
    "numbers", [(80, 0, 40, 1, 0, 1, 0, 1), (80, 1, 40, 1, 0, 0, 0, 1), (-80, 1, 40, 1, 0, 1, 0, 1)]
)
def test_an_impossible_aperture_is_ignored(numbers: tuple[int, ...], tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", CLIP)
    for content in (struct.pack(">8i", *numbers), b"\0\0\0\x08", b""):
        path.write_bytes(with_sample_entry(path.read_bytes(), b"vide", 78, {b"clap": content}))
        assert crop_of(path) is None


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("selective", [True, False])
def test_frames_are_cropped(suffix: str, selective: bool, tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", CLIP)
    path = with_aperture(tmp_path / "clip.mp4", (80, 40, 8, -4), plain)
    if suffix == ".mkv":
        path = remux(path, tmp_path / "clip.mkv")
    expected = [sample.image[2:-6, 12:-4] for sample in sample_frames(plain)]
    for source in (path, io.BytesIO(path.read_bytes())):
        found = [sample.image for sample in sample_frames(source, selective=selective)]
        assert len(found) == len(expected) == 2
        for image, whole in zip(found, expected, strict=True):
            np.testing.assert_array_equal(image, whole)


@pytest.mark.parametrize("selective", [True, False])
def test_clips_are_cropped(selective: bool, tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", CLIP)
    path = with_aperture(tmp_path / "clip.mp4", (48, HEIGHT, -48, 0), plain)
    colours = (0.0,) * 3, (1.0,) * 3
    clip_format = ClipFormat(
        frames=1, height=HEIGHT, width=48, resize=(HEIGHT, 48), fps="1", mean=colours[0], std=colours[1]
    )
    (clip,) = decode_clips(path, clip_format, ClipSampling(placement="start"), selective=selective)
    (whole, *_) = [sample.image for sample in sample_frames(plain)]
    np.testing.assert_array_equal(clip[0], whole[:, :48])


def test_a_crop_of_everything_is_ignored() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    assert Crop(1, 1, 2, 1)(image).shape == (2, 3, 3)
    assert Crop(2, 2, 0, 0)(image).shape == Crop(0, 0, 3, 3)(image).shape == image.shape


def test_damaged_matroska_names_no_crop(tmp_path: Path) -> None:
    data = remux(with_aperture(tmp_path / "clip.mp4", (80, 40, 0, 0)), tmp_path / "clip.mkv").read_bytes()
    assert list(matroska_crops(io.BytesIO(data))) == [Crop(4, 4, 8, 8)]
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(data)
        for at in rng.integers(0, 600, 4):
            damaged[at] = rng.integers(256)
        assert len(list(matroska_crops(io.BytesIO(damaged)))) <= 600
        assert len(list(matroska_crops(io.BytesIO(data[: rng.integers(len(data))])))) <= 1
    assert list(matroska_crops(io.BytesIO(b""))) == []


def test_an_element_that_ends_beyond_any_file_ends_the_search(tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "clip.mkv", Clip(frames=5)).read_bytes())
    at = data.index(b"\x11\x4d\x9b\x74") + 4  # the size of the first element within the segment
    for size in (b"\x01" + b"\xff" * 6 + b"\xfe", b"\x01" + b"\x7f" * 7):
        path = tmp_path / "long.mkv"
        path.write_bytes(data[:at] + size + data[at + 1 :])
        with path.open("rb") as file:
            assert list(matroska_crops(file)) == []

"""Pictures survive being JPEGs, whatever their size; anything else is refused."""

from __future__ import annotations

import numpy as np
import pytest

from extractors.video.jpeg import decode_jpegs, encode_jpegs
from tests.support.videos import picture


@pytest.mark.parametrize("size", [(112, 112), (57, 31), (1, 1), (128, 171)])
def test_decoded_images_are_close_to_the_source(size: tuple[int, int]) -> None:
    height, width = size
    images = np.stack([picture(number, max(width, 12), height)[:, :width] for number in range(5)])
    jpegs = encode_jpegs(images)
    assert len(jpegs) == 5
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in jpegs)
    back = decode_jpegs(jpegs)
    assert back.shape == images.shape
    assert back.dtype == np.uint8
    assert np.abs(back.astype(int) - images).mean() < 3


def test_colours_are_kept() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [200, 90, 30]], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (6, 16, 16, 3))
    assert np.abs(decode_jpegs(encode_jpegs(images)).astype(int) - images).max() <= 4


def test_flow_comes_back() -> None:
    y, x = np.mgrid[0:40, 0:56]
    planes = [128 + 40 * np.sin(x / 9 + number) * np.cos(y / (7 + number)) for number in range(2)]
    flow = np.stack(planes, axis=-1).round().astype(np.uint8)[None].repeat(2, 0)
    flow[1, ..., 0] = 255
    decoded = decode_jpegs(encode_jpegs(flow), channels=2)
    assert decoded.shape == flow.shape
    assert np.abs(decoded.astype(int) - flow).max() <= 4
    assert np.abs(decoded.astype(int) - flow).mean() < 0.8


def test_higher_quality_is_closer_to_the_source() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    assert len(encode_jpegs(images, quality=1)[0]) > 2 * len(encode_jpegs(images, quality=20)[0])


def test_other_bytes_and_mixed_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="JPEG"):
        decode_jpegs([b"nothing of the kind"])
    mixed = [encode_jpegs(np.zeros((1, side, side, 3), np.uint8))[0] for side in (16, 32)]
    with pytest.raises(ValueError, match="need one size"):
        decode_jpegs(mixed)


def test_pixels_are_bounded() -> None:
    (jpeg,) = encode_jpegs(np.zeros((1, 90, 100, 3), np.uint8))
    assert decode_jpegs([jpeg], max_pixels=20_000).shape == (1, 90, 100, 3)
    with pytest.raises(ValueError, match="JPEG"):
        decode_jpegs([jpeg], max_pixels=8_000)

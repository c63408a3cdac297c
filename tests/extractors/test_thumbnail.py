"""A thumbnail is a small JPEG of the picture."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from extractors.thumbnail import LONG_SIDE, encode_thumbnail
from tests.videos import picture


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


def test_it_looks_like_the_picture() -> None:
    image = picture(1234, 192, 96)
    assert np.abs(decoded(encode_thumbnail(image)).astype(int) - image).mean() < 6


def test_it_is_small() -> None:
    assert len(encode_thumbnail(picture(5, 1920, 1080))) < 20_000


def test_same_picture_same_bytes() -> None:
    image = picture(7, 640, 360)
    assert encode_thumbnail(image) == encode_thumbnail(image.copy())

"""Previews show the box where the lips are, and the crop as the network takes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from extractors.faces import preview
from extractors.faces.crops import Mouth
from extractors.faces.preview import BOX_COLOUR, HEIGHT, MAX_BYTES, lip_preview, preview_frames
from schemas.lips import LipInput
from tests.support.animations import durations_of, size_of

COLOUR, GREY = LipInput(height=40, width=80, channels=3), LipInput(height=40, width=80, channels=1)


def clip(count: int, height: int = 288, width: int = 360) -> Mouth:
    """Grey frames, each of another level, a box in each, and crops that are red."""
    levels = (100 + 15 * np.arange(count)).astype(np.uint8)[:, None, None, None]
    boxes = np.tile(np.array([160, 200, 200, 216], np.float32), (count, 1))
    crops = np.zeros((count, 40, 80, 3), np.uint8)
    crops[..., 0] = 200
    return Mouth(np.tile(levels, (1, height, width, 3)), boxes, crops)


def test_the_box_lies_around_the_lips_and_the_crop_beside_the_video() -> None:
    (picture,) = preview_frames(clip(1), COLOUR)
    assert picture.shape == (HEIGHT, 224 + 272, 3)
    rows, columns = np.nonzero((picture == BOX_COLOUR).all(-1))
    scale = 224 / 360
    expected = 200 * scale - 2, 216 * scale + 1, 160 * scale - 2, 200 * scale + 1
    assert np.abs(np.subtract((rows.min(), rows.max(), columns.min(), columns.max()), expected)).max() <= 1
    inside = picture[int(202 * scale) : int(213 * scale), int(162 * scale) : int(198 * scale)]
    assert (inside == 100).all()
    assert picture[HEIGHT // 2, 224 + 136].tolist() == [200, 0, 0]


def test_a_crop_is_grey_where_the_network_takes_grey() -> None:
    for look, level in ((GREY, 60), (LipInput(height=40, width=80, channels=1, colours="bgr"), 23)):
        (picture,) = preview_frames(clip(1), look)
        assert picture[HEIGHT // 2, -136].tolist() == [level] * 3


@pytest.mark.parametrize(("height", "width"), [(480, 854), (854, 480), (3, 5)])
def test_any_shape_of_video_has_even_sides(height: int, width: int) -> None:
    (picture,) = preview_frames(clip(1, height, width), COLOUR)
    assert picture.shape[0] == HEIGHT
    assert picture.shape[1] % 2 == 0
    assert picture.shape[1] <= 2 * 272


def test_a_preview_has_the_first_seconds_at_half_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    content = lip_preview(clip(9), COLOUR)
    assert durations_of(content) == [80] * 5
    assert size_of(content) == (496, HEIGHT)
    monkeypatch.setattr(preview, "MAX_FRAMES", 3)
    assert durations_of(lip_preview(clip(9), COLOUR)) == [80] * 3
    ten = LipInput(height=40, width=80, channels=3, fps="10")
    assert durations_of(lip_preview(clip(2), ten)) == [100] * 2


def test_a_preview_of_noise_is_bounded() -> None:
    mouth = clip(40)
    noise = np.random.default_rng(0).integers(0, 256, mouth.frames.shape, np.uint8)
    assert len(lip_preview(replace(mouth, frames=noise), COLOUR)) <= MAX_BYTES

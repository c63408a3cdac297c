"""A decoded frame → the part of it that a clip classifier sees.

In: uint8 (H, W, 3) of any size. Out: uint8 of the size that a clip's format asks for.

Resizing is bilinear on half-pixel centres without antialiasing, computed in float32 and rounded: what torchvision's
reference for video classification does to its uint8 clips, whose weights most of our nets can carry. Only the pixels
around each target are read, so that a large frame costs no more than a small one. Where the format names the shorter
side alone, the longer one is truncated, and middles are rounded, as there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def resized(image: NDArray[np.uint8], resize: tuple[int, ...]) -> NDArray[np.uint8]:
    """`image` at (height, width), or with its shorter side at that many pixels."""
    height, width = resized_size(image.shape[0], image.shape[1], resize)
    if image.shape[:2] == (height, width):
        return image
    top, bottom, down = _taps(image.shape[0], height)
    left, right, along = _taps(image.shape[1], width)
    columns = np.stack([left, right])  # 2, w
    upper = image[top[:, None, None], columns].astype(np.float32)  # h, 2, w, 3
    lower = image[bottom[:, None, None], columns].astype(np.float32)
    along = along[:, None]  # w, 1
    upper = upper[:, 0] * (1 - along) + upper[:, 1] * along  # h, w, 3
    lower = lower[:, 0] * (1 - along) + lower[:, 1] * along
    down = down[:, None, None]
    blended = upper * (1 - down) + lower * down
    return np.rint(blended).astype(np.uint8)


def resized_size(height: int, width: int, resize: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) that a frame is brought to."""
    if len(resize) == 2:
        return resize[0], resize[1]
    shorter = min(height, width)
    return int(resize[0] * height / shorter), int(resize[0] * width / shorter)


def corners(
    image: NDArray[np.uint8], height: int, width: int, *, crops: int = 1, place: tuple[float, float] | None = None
) -> list[tuple[int, int]]:
    """(top, left) of the parts, `height` x `width`, that are seen of a resized `image`.

    The middle, three along the longer side, or one at `place`: so far down and along, each from 0 up to 1.
    """
    down, along = image.shape[0] - height, image.shape[1] - width  # how far a part may move
    if place is not None:
        return [(int(place[0] * (down + 1)), int(place[1] * (along + 1)))]
    middle = round(down / 2.0), round(along / 2.0)
    if crops == 1:
        return [middle]
    if image.shape[0] > image.shape[1]:
        return [(0, middle[1]), middle, (down, middle[1])]
    return [(middle[0], 0), middle, (middle[0], along)]


@lru_cache(maxsize=64)
def _taps(size: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of `target` pixels along an axis of `size`: the two source pixels, and the weight of the second."""
    scale = np.float32(size / target)
    position = np.maximum(scale * (np.arange(target, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5), 0)
    first = np.minimum(position.astype(np.intp), size - 1)
    return first, np.minimum(first + 1, size - 1), position - first.astype(np.float32)

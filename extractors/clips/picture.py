"""A decoded frame → the part of it that a clip classifier sees.

In: uint8 (H, W, 3) of any size. Out: uint8 of the size that a clip's format asks for.

Resizing is bilinear on half-pixel centres without antialiasing, as in torchvision's reference for video classification,
whose weights most of our nets can carry. It stays in uint8, as it does there by now: no value is more than one grey
level away from what float32 gives, at a third of the cost. Where the format names the shorter side alone, the longer
one is truncated, and middles are rounded, as there.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional


def resized(image: NDArray[np.uint8], resize: tuple[int, ...]) -> NDArray[np.uint8]:
    """`image` at (height, width), or with its shorter side at that many pixels."""
    height, width = resized_size(image.shape[0], image.shape[1], resize)
    if image.shape[:2] == (height, width):
        return image
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]  # 1, 3, H, W; channels-last in memory, the fast path
    planes = functional.interpolate(planes, (height, width), mode="bilinear", antialias=False)
    pixels: NDArray[np.uint8] = planes[0].permute(1, 2, 0).numpy()
    return pixels


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

"""Resizing and cropping of decoded frames to the size of a clip.

In: uint8 (H, W, 3) of any size. Out: uint8 resized as the clip's format prescribes, and the corners of the crops.

Resizing is bilinear on half-pixel centres without antialiasing, as in torchvision's reference for video classification,
whose weights most of our networks accept. It stays in uint8, as in current torchvision: no value differs by more than
one grey level from float32, at a third of the cost. As in torchvision, a format that gives the shorter side alone
truncates the longer one, and centre positions are rounded.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional


def resized(image: NDArray[np.uint8], resize: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize `image` to (height, width), or its shorter side to (pixels,)."""
    height, width = resized_shape(image.shape[0], image.shape[1], resize)
    if image.shape[:2] == (height, width):
        return image
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]  # 1, 3, H, W; channels-last in memory, the fast path
    planes = functional.interpolate(planes, (height, width), mode="bilinear", antialias=False)
    pixels: NDArray[np.uint8] = planes[0].permute(1, 2, 0).numpy()
    return pixels


def resized_shape(height: int, width: int, resize: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) of a resized frame."""
    if len(resize) == 2:
        return resize[0], resize[1]
    shorter = min(height, width)
    return int(resize[0] * height / shorter), int(resize[0] * width / shorter)


def crop_corners(
    image: NDArray[np.uint8], height: int, width: int, *, crops: int = 1, position: tuple[float, float] | None = None
) -> list[tuple[int, int]]:
    """(top, left) of the crops, `height` x `width`, of a resized `image`.

    The centre crop, three crops along the longer side, or one at `position`: (vertical, horizontal) in [0, 1).
    """
    room_down, room_right = image.shape[0] - height, image.shape[1] - width
    if position is not None:
        return [(int(position[0] * (room_down + 1)), int(position[1] * (room_right + 1)))]
    centre = round(room_down / 2.0), round(room_right / 2.0)
    if crops == 1:
        return [centre]
    if image.shape[0] > image.shape[1]:
        return [(0, centre[1]), centre, (room_down, centre[1])]
    return [(centre[0], 0), centre, (centre[0], room_right)]

"""Previews of lip reading: the video with a box around the lips, and beside it the crop that the network sees.

In: a `Mouth` (`extractors.faces.crops`). Out: an animation of no more than `MAX_BYTES` (`extractors.video.animation`).

It shows the first `MAX_FRAMES` frames of some `RATE` a second, and crops in grey where the network takes them so.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from extractors.faces.crops import Mouth
from extractors.faces.regions import Region, pixels_of
from extractors.networks.image_input import as_image_tensor
from extractors.video.animation import encode_animation
from extractors.video.grid import as_fps
from schemas.lips import GREY_WEIGHTS, LipInput

MAX_BYTES = 128 << 10
MAX_FRAMES = 75
RATE = 12.5
HEIGHT, WIDTH = 180, 272  # of the video and of the crop, at most; even, as the animation needs it
BACKGROUND = 32
BOX_COLOUR = (90, 255, 140)
BOX_LINE = 2  # pixels


def lip_preview(mouth: Mouth, look: LipInput) -> bytes:
    """The preview of a clip at the rate of `look`, or of the first seconds of a longer one."""
    fps = as_fps(look.fps)
    step = max(round(fps / Fraction(RATE)), 1)
    shown = slice(0, step * MAX_FRAMES, step)
    pictures = preview_frames(Mouth(mouth.frames[shown], mouth.boxes[shown], mouth.crops[shown]), look)
    return encode_animation(pictures, fps / step, max_bytes=MAX_BYTES)


def preview_frames(mouth: Mouth, look: LipInput) -> NDArray[np.uint8]:
    """The pictures, (T, HEIGHT, W', 3): the video at the left, the crop at the right."""
    left, right = (_fitted(images[0].shape) for images in (mouth.frames, mouth.crops))
    pictures = np.full((len(mouth.frames), HEIGHT, left[1] + right[1], 3), BACKGROUND, np.uint8)
    for picture, frame, box, crop in zip(pictures, mouth.frames, mouth.boxes, mouth.crops, strict=True):
        video = _scaled(frame, left)
        _draw(video, box * (left[1] / frame.shape[1]))
        _place(picture[:, : left[1]], video)
        _place(picture[:, left[1] :], _scaled(_seen(crop, look), right))
    return pictures


def _fitted(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a picture that fits into its place."""
    scale = min(HEIGHT / shape[0], WIDTH / shape[1])
    height, width = (max(round(side * scale / 2) * 2, 2) for side in shape[:2])
    return height, width


def _scaled(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    whole = Region(width / 2, height / 2, width / size[1], 0.0)
    pixels = pixels_of(as_image_tensor(image), whole, *size)  # 3, h, w
    scaled: NDArray[np.uint8] = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return scaled


def _seen(crop: NDArray[np.uint8], look: LipInput) -> NDArray[np.uint8]:
    """A crop in the colours that the network takes."""
    if look.channels == 3:
        return crop
    weights = GREY_WEIGHTS if look.colours == "rgb" else GREY_WEIGHTS[::-1]
    level = (crop @ np.array(weights, np.float32)).round().astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=-1)


def _draw(picture: NDArray[np.uint8], box: NDArray[np.float32]) -> None:
    """Draw a box around the pixels between its sides."""
    inner, outer = (_area(box, margin, picture.shape) for margin in (0, BOX_LINE))
    inside = picture[inner].copy()
    picture[outer] = BOX_COLOUR
    picture[inner] = inside


def _area(box: NDArray[np.float32], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a box with a margin around it, as far as they are in a picture."""
    left, top = np.floor(box[:2]) - margin
    right, bottom = np.ceil(box[2:]) + margin
    rows = np.clip((top, bottom), 0, shape[0]).astype(int)
    columns = np.clip((left, right), 0, shape[1]).astype(int)
    return slice(*rows), slice(*columns)


def _place(area: NDArray[np.uint8], picture: NDArray[np.uint8]) -> None:
    """Put a picture into the middle of an area."""
    height, width = picture.shape[:2]
    top, left = (area.shape[0] - height) // 2, (area.shape[1] - width) // 2
    area[top : top + height, left : left + width] = picture

"""Preprocessing of decoded frames to network inputs, one frame at a time.

In: uint8 (H, W, 3) RGB of any size, on any device. Out: float32 (299, 299, 3) in about [-1, 1], on the same device.
Dimensions: H height, W width, S = 299.

One preprocessing per Inception variant, in two steps: the first may run where the frame was decoded (uint8 to uint8, no
more pixels than the network reads: a `PreparedFrame`, at most 1.1 MB), the second runs on the network's device.

- `inception-2015` is the preprocessing inside the TensorFlow graph of 2015-12-05: bilinear to S x S with
  source = target * in / out (corners not aligned, no half-pixel shift, no antialiasing), kept as float and not rounded,
  then (x - 128) / 128. Only the 2 x 2 source pixels around each target are read, so that a 1080p frame costs about as
  much as a small one.
- `inception-imagenet` is torchvision's evaluation transform: shorter side to 342 with antialiased bilinear on uint8,
  centre crop, then x / 127.5 - 1. The published weights were trained on [-1, 1]: torchvision's `transform_input` undoes
  its normalisation by mean and standard deviation, and the two together are this map. The resize stays in uint8 (13
  times faster on a 1080p frame than in float32): a fifth of the values differ by one grey level from torchvision's
  float path, as they do on its PIL path, and the features differ by a relative RMS of 5e-4.
- `inception-keras`: both sides to S with antialiased bilinear on uint8, without a crop, then x / 127.5 - 1. Weights
  that were trained on [0, 1] have been rewritten for [-1, 1] (`extractors.weights.keras_inception`).

Measured on one thread with 1080p frames: 1.4 ms per frame for either of the first two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from extractors.networks.sizes import IMAGE_SIZE

SHORT_SIDE = 342


class PreparedFrame(NamedTuple):
    """The pixels of a frame that the network reads, uint8 (h, w, 3), with the frame's height and width.

    On its way to a GPU it may hold several frames of the same geometry, (N, h, w, 3).
    """

    pixels: Tensor
    height: int
    width: int


@dataclass(frozen=True)
class ImageInput:
    """A variant's preprocessing: `on_device(on_host(image))` is the network's input.

    `direct` gives the same bits in one step, for a network on the device of the frame.
    """

    on_host: Callable[[Tensor], PreparedFrame]
    on_device: Callable[[PreparedFrame], Tensor]
    direct: Callable[[Tensor], Tensor]


def as_image_tensor(image: NDArray[np.uint8]) -> Tensor:
    """View a frame as a tensor without copying.

    Raises:
        ValueError: if the array is not uint8 (H, W, 3) with at least one pixel.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"a frame must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
    if not image.flags.writeable or any(stride < 0 for stride in image.strides):
        image = image.copy()  # torch supports neither read-only memory nor negative strides
    return torch.from_numpy(image)


def whole_frame(image: Tensor) -> PreparedFrame:
    """The frame with all of its pixels."""
    return PreparedFrame(image, image.shape[0], image.shape[1])


def tapped_pixels(image: Tensor) -> PreparedFrame:
    """The pixels that the TF1 resize reads: along an axis of more than 2 S pixels, the two around each target."""
    pixels = image
    for axis in (0, 1):
        if image.shape[axis] > 2 * IMAGE_SIZE:
            lower, upper, _ = _taps(image.shape[axis], image.shape[axis], image.device)
            pixels = pixels.index_select(axis, torch.stack([lower, upper], 1).flatten())
    return PreparedFrame(pixels, image.shape[0], image.shape[1])


def tf1_bilinear_input(frame: PreparedFrame) -> Tensor:
    """A frame to float32 (S, S, 3), several to (N, S, S, 3): TF1 bilinear resize, then (x - 128) / 128."""
    return tf1_bilinear_resize(frame).sub_(128.0).mul_(1.0 / 128.0)


def tf1_bilinear_resize(frame: PreparedFrame) -> Tensor:
    """A frame to float32 (S, S, 3) in [0, 255], several to (N, S, S, 3), by TensorFlow 1's `resize_bilinear`."""
    image = frame.pixels
    top, bottom, down = _taps(frame.height, image.shape[-3], image.device)  # S each
    left, right, along = _taps(frame.width, image.shape[-2], image.device)
    along = along.repeat_interleave(3)  # 3 S

    upper_rows, lower_rows = image.index_select(-3, top), image.index_select(-3, bottom)  # S, w, 3
    upper = _blend(upper_rows.index_select(-2, left), upper_rows.index_select(-2, right), along)  # S, 3 S
    lower = _blend(lower_rows.index_select(-2, left), lower_rows.index_select(-2, right), along)
    blended = lower.sub_(upper).mul_(down[:, None]).add_(upper)
    return blended.view(*blended.shape[:-1], IMAGE_SIZE, 3)


def imagenet_crop(image: Tensor) -> Tensor:
    """uint8 (H, W, 3) to uint8 (S, S, 3): antialiased resize of the shorter side to 342, centre crop."""
    height, width, _ = image.shape
    shorter = min(height, width)
    # The longer side is truncated, as in torchvision.
    size = (int(SHORT_SIDE * height / shorter), int(SHORT_SIDE * width / shorter))
    planes = image.permute(2, 0, 1)[None]  # 1, 3, H, W; channels-last in memory, the fast path
    if size != (height, width):
        planes = functional.interpolate(planes, size=size, mode="bilinear", antialias=True)
    top, left = round((size[0] - IMAGE_SIZE) / 2.0), round((size[1] - IMAGE_SIZE) / 2.0)
    return planes[0, :, top : top + IMAGE_SIZE, left : left + IMAGE_SIZE].permute(1, 2, 0)


def squeezed(image: Tensor) -> Tensor:
    """uint8 (H, W, 3) to uint8 (S, S, 3): antialiased resize of both sides."""
    if image.shape[:2] == (IMAGE_SIZE, IMAGE_SIZE):
        return image
    planes = image.permute(2, 0, 1)[None]  # 1, 3, H, W; channels-last in memory, the fast path
    planes = functional.interpolate(planes, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True)
    return planes[0].permute(1, 2, 0)


def scale_signed(image: Tensor) -> Tensor:
    """uint8 of any shape to float32 in [-1, 1]: x / 127.5 - 1."""
    return image.float().mul_(1.0 / 127.5).sub_(1.0)


def _blend(left: Tensor, right: Tensor, weight: Tensor) -> Tensor:
    """left + (right - left) * weight in float32, over flattened pixels: (S, S, 3) to (S, 3 S)."""
    start = left.flatten(-2).float()
    return right.flatten(-2).float().sub_(start).mul_(weight).add_(start)


@lru_cache(maxsize=64)
def _taps(size: int, stored: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For S targets along an axis of `size` pixels: the two source indices (int64) and the second one's weight.

    If only the `stored` pixels of `tapped_pixels` are available, the indices refer to those.
    """
    scale = np.float32(size) / np.float32(IMAGE_SIZE)  # float32 throughout, as in TensorFlow's kernel
    position = np.arange(IMAGE_SIZE, dtype=np.float32) * scale
    lower = np.minimum(np.floor(position).astype(np.int64), size - 1)
    upper = np.minimum(lower + 1, size - 1)
    weight = position - lower.astype(np.float32)
    if stored != size:
        lower = np.arange(0, stored, 2)
        upper = lower + 1
    return tuple(torch.from_numpy(array).to(device) for array in (lower, upper, weight))  # type: ignore[return-value]


IMAGE_INPUTS = {
    "inception-2015": ImageInput(
        on_host=tapped_pixels,
        on_device=tf1_bilinear_input,
        direct=lambda image: tf1_bilinear_input(whole_frame(image)),
    ),
    "inception-imagenet": ImageInput(
        on_host=lambda image: whole_frame(imagenet_crop(image)),
        on_device=lambda frame: scale_signed(frame.pixels),
        direct=lambda image: scale_signed(imagenet_crop(image)),
    ),
    "inception-keras": ImageInput(
        on_host=lambda image: whole_frame(squeezed(image)),
        on_device=lambda frame: scale_signed(frame.pixels),
        direct=lambda image: scale_signed(squeezed(image)),
    ),
}

"""Optical flow in the published form of I3D: clipped to 20 pixels, in 256 levels.

In: pairs of RGB frames, uint8 (H, W, 3). Out: for each, uint8 (H, W, 2): motion to the right and downwards from the
first frame to the second, where -20 … 20 pixels are 0 … 255. A network scales these to -1 … 1.

Source: deepmind/kinetics-i3d, whose authors computed TV-L1 on grey frames, cut it at 20 pixels, stored it in 8 bits
with this linear map, and cropped it as RGB. No motion lies between the levels 127 and 128, and is stored as 128.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.flow.dis import dis_flow, opencv_library
from extractors.flow.tvl1 import tvl1_flow
from schemas.clips import DIS, TVL1

Image = NDArray[np.uint8]

MAX_PIXELS = 20.0  # of motion that is kept
STILL = 128
GREY = (9798, 19235, 3735)  # of red, green, blue, in parts of 1 << 15: ITU-R BT.601
PAIRS_AT_ONCE = 4

METHODS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {TVL1: tvl1_flow, DIS: dis_flow}
LIBRARIES: Mapping[str, Callable[[], Any]] = {DIS: opencv_library}


def require_flow(method: str | None) -> None:
    """Raise `ImportError` where a library that `method` needs is missing; None needs none."""
    if method is not None and method in LIBRARIES:
        LIBRARIES[method]()


def flow_fields(pairs: Sequence[tuple[Image, Image]], method: str) -> list[Image]:
    """The flow (H, W, 2) of each of `pairs`; a pair that comes several times is computed once.

    Between frames of different sizes, as where videos are joined, nothing moves.
    """
    greys = {id(frame): frame for pair in pairs for frame in pair}
    greys = {key: grey(frame) for key, frame in greys.items()}
    distinct = dict.fromkeys((id(first), id(second)) for first, second in pairs)
    found: dict[tuple[int, int], Image] = {}
    by_shape: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for first, second in distinct:
        if greys[first].shape != greys[second].shape or first == second:
            found[first, second] = np.full((*greys[first].shape, 2), STILL, np.uint8)
        else:
            by_shape.setdefault(greys[first].shape, []).append((first, second))
    for keys in by_shape.values():
        for start in range(0, len(keys), PAIRS_AT_ONCE):
            some = keys[start : start + PAIRS_AT_ONCE]
            before, after = (
                torch.from_numpy(np.stack([greys[key] for key in side])) for side in zip(*some, strict=True)
            )
            found |= zip(some, quantised(METHODS[method](before, after)), strict=True)
    return [found[id(first), id(second)] for first, second in pairs]


def quantised(flow: Tensor) -> Image:
    """Flow in pixels, (N, 2, H, W), in 256 levels, uint8 (N, H, W, 2)."""
    levels = (flow.clamp(-MAX_PIXELS, MAX_PIXELS) + MAX_PIXELS) * (255 / (2 * MAX_PIXELS))
    stored: Image = levels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return stored


def grey(frame: Image) -> Image:
    """RGB (H, W, 3) to grey (H, W), rounded, as OpenCV converts it."""
    red, green, blue = (frame[..., channel].astype(np.int32) * weight for channel, weight in enumerate(GREY))
    levels: Image = ((red + green + blue + (1 << 14)) >> 15).astype(np.uint8)
    return levels

"""MediaPipe's face mesh: 468 points of the face in a picture of it, and whether it is a face.

In: float32 (B, 3, 192, 192) RGB in [0, 1], upright. Out: points (B, 468, 3), x and y in pixels of the picture and z in
the same unit, and the flag (B,) before the sigmoid. 0.6 million weights.

Source: Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs" (arXiv 1907.06724);
`face_landmark.tflite` of MediaPipe (Apache-2.0), without attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from extractors.faces.layers import Block, SameConv
from extractors.faces.regions import Points, Region, pixels_of
from extractors.faces.tflite_weights import load_tflite

SIDE = 192
POINTS = 468
MARGIN = 1.5  # of the picture around the face
LEAST_FLAG = 0.5
# The lips' outer ring, from the corner at the left of the picture along the lower lip to the right, and back.
LIPS = np.array([61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185])
EYES = np.array([33, 263])  # their outer corners, at the left and at the right of the picture
# Channels and strides of the blocks.
TRUNK = (
    *((16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)),
    *((128, 2), (128, 1), (128, 1), (128, 2), (128, 1), (128, 1)),
)
POINT_BLOCKS = ((128, 2), (128, 1), (128, 1))
FLAG_BLOCKS = ((128, 2),)
HEAD_CHANNELS = 32


class Head(nn.Module):
    """What a head computes of the trunk's features (B, 128, 6, 6): `outputs` numbers."""

    def __init__(self, blocks: tuple[tuple[int, int], ...], outputs: int) -> None:
        super().__init__()
        self.blocks = _blocks(TRUNK[-1][0], blocks)
        self.reduce = nn.Conv2d(blocks[-1][0], HEAD_CHANNELS, 1)
        self.activation = nn.PReLU(HEAD_CHANNELS)
        self.last = _block(HEAD_CHANNELS, HEAD_CHANNELS, 1)
        self.output = nn.Conv2d(HEAD_CHANNELS, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """B, 128, 6, 6 to B, outputs."""
        output: Tensor = self.output(self.last(self.activation(self.reduce(self.blocks(x)))))
        return output.flatten(1)


class FaceMesh(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 16, 3, 2)
        self.activation = nn.PReLU(16)
        self.blocks = _blocks(16, TRUNK)
        self.points = Head(POINT_BLOCKS, 3 * POINTS)
        self.flag = Head(FLAG_BLOCKS, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """B, 3, 192, 192 to points (B, 468, 3) and flags (B,)."""
        x = self.blocks(self.activation(self.stem(x)))  # B, 128, 6, 6
        return self.points(x).view(-1, POINTS, 3), self.flag(x)[:, 0]


def build_face_mesh(path: Path) -> FaceMesh:
    """The network with the weights of its `.tflite` file."""
    with torch.device("meta"):
        network = FaceMesh()
    load_tflite(network, LAYERS, path)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # takes a quarter less time
    return network.eval()


@torch.inference_mode()
def face_points(network: FaceMesh, frame: Tensor, region: Region) -> Points | None:
    """The points, (468, 2) in pixels of the frame, of the face in a region of `SIDE` pixels; None if it has none."""
    picture = pixels_of(frame, region, SIDE, SIDE) / 255
    points, flag = network(picture[None].contiguous(memory_format=torch.channels_last))
    if torch.sigmoid(flag).item() < LEAST_FLAG:
        return None
    return region.to_frame(points[0, :, :2].numpy() - SIDE / 2)


def _block(channels_in: int, channels: int, stride: int) -> Block:
    return Block(channels_in, channels, stride=stride, activation=nn.PReLU(channels))


def _blocks(channels: int, blocks: tuple[tuple[int, int], ...]) -> nn.Sequential:
    before = (channels, *(count for count, _ in blocks))
    return nn.Sequential(*(_block(c, *block) for c, block in zip(before, blocks, strict=False)))


def _named(ours: str, depthwise: int, pointwise: int, activation: int) -> dict[str, str]:
    """A block's layers in the file, by their numbers there."""
    return {
        f"{ours}.depthwise": f"depthwise_conv2d_{depthwise}",
        f"{ours}.pointwise": f"conv2d_{pointwise}",
        f"{ours}.activation": f"p_re_lu_{activation}",
    }


LAYERS: Mapping[str, str] = {
    "stem": "conv2d_1",
    "activation": "p_re_lu_1",
    **{k: v for i in range(len(TRUNK)) for k, v in _named(f"blocks.{i}", i + 1, i + 2, i + 2).items()},
    **{k: v for i in range(3) for k, v in _named(f"points.blocks.{i}", i + 15, i + 16, i + 16).items()},
    "points.reduce": "conv2d_19",
    "points.activation": "p_re_lu_19",
    **_named("points.last", 18, 20, 20),
    "points.output": "conv2d_21",
    **_named("flag.blocks.0", 23, 28, 26),
    "flag.reduce": "conv2d_29",
    "flag.activation": "p_re_lu_27",
    **_named("flag.last", 24, 30, 28),
    "flag.output": "conv2d_31",
}

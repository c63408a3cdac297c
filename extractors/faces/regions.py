"""Regions of a frame: upright or turned rectangles, and their pixels.

In: uint8 (H, W, 3), and a region in pixels; places are continuous, the centre of the first pixel is (0.5, 0.5).
Out: float32 (3, h, w) in [0, 255]; what lies outside the frame is black.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Points = NDArray[np.float32]  # N, 2: x, y in pixels


@dataclass(frozen=True)
class Region:
    """A rectangle around (x, y).

    scale          pixels of the frame for one of the region
    angle_radians  of its upper edge to the frame's, clockwise on the screen
    """

    x: float
    y: float
    scale: float
    angle_radians: float

    @property
    def axes(self) -> Points:
        """The steps in the frame, (x, y), of one pixel to the right and of one down in the region."""
        cos, sin = math.cos(self.angle_radians) * self.scale, math.sin(self.angle_radians) * self.scale
        return np.array([[cos, sin], [-sin, cos]], np.float32)

    def to_frame(self, points: Points) -> Points:
        """Points relative to the centre of the region, in its pixels, as places in the frame."""
        placed: Points = points @ self.axes + np.array([self.x, self.y], np.float32)
        return placed


def angle_radians(line: Points) -> float:
    """The angle of a line between two points, (2, 2), to the upper edge of the frame."""
    (x, y), (other_x, other_y) = line.tolist()
    return math.atan2(other_y - y, other_x - x)


def moved(region: Region, before: Points, after: Points) -> Region:
    """The region, moved, turned and scaled as the points in it are: by least squares, (N, 2) each."""
    was, now = (points[:, 0] + 1j * points[:, 1] for points in (before.astype(float), after.astype(float)))
    offsets = was - was.mean()
    turn = complex(np.vdot(offsets, now - now.mean()) / np.vdot(offsets, offsets))
    centre = complex(now.mean() + turn * (complex(region.x, region.y) - was.mean()))
    return Region(centre.real, centre.imag, region.scale * abs(turn), region.angle_radians + cmath.phase(turn))


def pixels_of(frame: Tensor, region: Region, height: int, width: int) -> Tensor:
    """The `height` x `width` pixels of a region, bilinear; where they are far smaller than the frame's, of averages."""
    rows = torch.arange(height, dtype=torch.float32) + 0.5 - height / 2
    columns = torch.arange(width, dtype=torch.float32) + 0.5 - width / 2
    right, down = torch.from_numpy(region.axes)
    centre = torch.tensor([region.x, region.y])
    places = centre + rows[:, None, None] * down + columns[:, None] * right  # h, w, 2
    ends = places[:: max(height - 1, 1), :: max(width - 1, 1)].reshape(-1, 2)
    margin = math.ceil(region.scale) + 1
    limits = torch.tensor(frame.shape[1::-1])
    low = (ends.amin(0) - margin).floor().clamp(min=torch.zeros(2), max=limits).int().tolist()
    high = (ends.amax(0) + margin).ceil().clamp(min=torch.zeros(2), max=limits).int().tolist()
    if low[0] >= high[0] or low[1] >= high[1]:
        return torch.zeros(3, height, width)
    patch = frame[low[1] : high[1], low[0] : high[0]].permute(2, 0, 1)[None].float()  # 1, 3, H', W'
    if (shrink := int(region.scale)) > 1:
        patch = F.avg_pool2d(patch, shrink, ceil_mode=True)
    extent = torch.tensor([patch.shape[3], patch.shape[2]]) * float(max(shrink, 1))
    grid = (places - torch.tensor(low, dtype=torch.float32)) * (2 / extent) - 1
    return F.grid_sample(patch, grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)[0]

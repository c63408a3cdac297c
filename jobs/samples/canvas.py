"""What the scenes of the sample videos are drawn with: colour schemes, palettes, coordinates, soft-edged shapes.

A picture is (H, W, 3) uint8 RGB, a field or mask (H, W) float32, a colour (3,) float32 in 0..255.
"""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]

# Four colours each, dark to light; a scene draws one scheme at random.
SCHEMES = (
    ("#0b1d3a", "#1f5f8b", "#f2a65a", "#fff3d6"),
    ("#2b0f3a", "#8f2d7a", "#f26a6a", "#ffe3c2"),
    ("#06281f", "#14746f", "#7fc8a9", "#f5f9d0"),
    ("#1b1b2f", "#43418a", "#9a8cff", "#f0ecff"),
    ("#3a0d12", "#a62639", "#f0a202", "#fff0c9"),
    ("#0d1b1e", "#2d6a8e", "#c3dbc5", "#fefae0"),
    ("#1d1145", "#0d6e9e", "#4ecdc4", "#f7fff7"),
    ("#22223b", "#c2456e", "#f7b2ad", "#fdf3ee"),
    ("#10241b", "#4f7d3a", "#e3b23c", "#faf3dd"),
)


def scheme(rng: np.random.Generator) -> Field:
    """Choose a colour scheme: (4, 3) in 0..255."""
    chosen = SCHEMES[int(rng.integers(len(SCHEMES)))]
    return np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in chosen], dtype=np.float32)


def ramp(colours: Field, steps: int = 256) -> Picture:
    """Blend colours into a palette: (K, 3) -> (steps, 3)."""
    at = np.linspace(0, len(colours) - 1, steps)
    channels = [np.interp(at, np.arange(len(colours)), colours[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def cyclic_ramp(colours: Field) -> Picture:
    """Cyclic palette, whose last colour equals its first."""
    return ramp(np.concatenate([colours, colours[-2::-1]]))


def axes(width: int, height: int) -> tuple[Field, Field]:
    """Coordinates in heights from the centre: x is (1, W), y is (H, 1)."""
    x = (np.arange(width) - width / 2)[None, :] / height
    y = (np.arange(height) - height / 2)[:, None] / height
    return x.astype(np.float32), y.astype(np.float32)


def paint(picture: Picture, left: float, top: float, mask: Field, colour: Field) -> None:
    """Blend `colour` into `picture` under a mask (h, w) in 0..1 with its corner at (left, top), clipped at borders."""
    height, width = picture.shape[:2]
    x, y = round(left), round(top)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + mask.shape[1], width), min(y + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    cover = mask[y0 - y : y1 - y, x0 - x : x1 - x, None]
    under = picture[y0:y1, x0:x1]
    picture[y0:y1, x0:x1] = (under + (colour - under) * cover).astype(np.uint8)


def shape_mask(sides: int, radius: float, angle: float = 0.0) -> Field:
    """Regular polygon of that many sides with a soft edge of one pixel; 0 sides make a disc."""
    reach = int(radius) + 2
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    if sides == 0:
        distance = np.sqrt(x * x + y * y)
    else:
        # The distance to a polygon's edge lines; its corners lie on the circle of that radius.
        turns = angle + 2 * np.pi * np.arange(sides) / sides
        edges = [x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn)) for turn in turns]
        distance = np.maximum.reduce(edges) + np.float32(radius * (1 - np.cos(np.pi / sides)))
    return np.clip(radius - distance + 0.5, 0.0, 1.0).astype(np.float32)


def limb_mask(start: tuple[float, float], end: tuple[float, float], radius: float) -> tuple[int, int, Field]:
    """Thick line with round, soft-edged ends between two points (x, y): the left and top of its mask, and the mask."""
    left, top = (int(np.floor(min(pair) - radius)) - 1 for pair in zip(start, end, strict=True))
    right, bottom = (int(np.ceil(max(pair) + radius)) + 2 for pair in zip(start, end, strict=True))
    x = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(start[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(start[1])
    along_x, along_y = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    length = max(along_x * along_x + along_y * along_y, np.float32(1e-6))
    share = np.clip((x * along_x + y * along_y) / length, 0, 1)  # of the way, where the line is nearest
    distance = np.hypot(x - share * along_x, y - share * along_y)
    return left, top, np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


def fold(distance: float, room: float) -> float:
    """Position of a body that has moved `distance`, bouncing between two walls `room` apart."""
    return float(room - abs(distance % (2 * room) - room))

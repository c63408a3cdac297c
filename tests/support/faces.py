"""Drawn faces, whose mouth is where it was drawn: the networks take them for faces, and nobody's picture is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BACKGROUND = (120, 140, 160)
# Ellipses in sizes of the face: centre, radii, colour; those beside the middle are drawn on both sides.
HEAD = (
    ((0, -0.12), (0.43, 0.55), (60, 40, 30)),
    ((0, 0.35), (0.2, 0.5), (190, 140, 110)),
    ((0, 0), (0.36, 0.48), (215, 165, 135)),
)
FEATURES = (
    ((0.16, -0.15), (0.09, 0.016), (70, 45, 35)),
    ((0.16, -0.06), (0.075, 0.06), (185, 135, 110)),
    ((0.16, -0.06), (0.062, 0.03), (245, 240, 235)),
    ((0.16, -0.06), (0.028, 0.029), (50, 35, 30)),
    ((0.05, 0.125), (0.03, 0.018), (140, 90, 75)),
    ((0, 0.06), (0.035, 0.1), (230, 182, 152)),
    ((0, 0.14), (0.05, 0.03), (225, 175, 145)),
)
MOUTH, LIPS_WIDTH, LIP = 0.26, 0.28, 0.03  # its place below the centre; its width, and the height of a lip
LIPS, INSIDE = (170, 75, 75), (60, 20, 25)


@dataclass(frozen=True)
class DrawnFace:
    """A face around (x, y) in pixels; `opening` is half the height of the open mouth, in sizes of the face."""

    x: float = 180.0
    y: float = 150.0
    size: float = 200.0
    angle_radians: float = 0.0
    opening: float = 0.03

    @property
    def mouth(self) -> tuple[float, float]:
        """The centre of the lips."""
        along = MOUTH * self.size
        return self.x - np.sin(self.angle_radians) * along, self.y + np.cos(self.angle_radians) * along

    @property
    def lips(self) -> tuple[float, float, float, float]:
        """The box of the lips of an upright face."""
        (x, y), width, height = self.mouth, LIPS_WIDTH * self.size / 2, (LIP + self.opening) * self.size
        return x - width, y - height, x + width, y + height


def drawn(*faces: DrawnFace, height: int = 288, width: int = 360) -> NDArray[np.uint8]:
    """A frame with faces, (height, width, 3)."""
    picture = np.full((height, width, 3), BACKGROUND, float)
    rows, columns = np.mgrid[:height, :width] + 0.5
    for face in faces:
        cos, sin = np.cos(face.angle_radians), np.sin(face.angle_radians)
        x, y = columns - face.x, rows - face.y
        x, y = (cos * x + sin * y) / face.size, (cos * y - sin * x) / face.size
        mouth = ((0, MOUTH), (LIPS_WIDTH / 2, LIP + face.opening), LIPS)
        inside = ((0, MOUTH), (0.11, max(face.opening, 0.006)), INSIDE)
        shade = np.clip(1 - 0.35 * (x / 0.36) ** 2 - 0.1 * y, 0.5, 1.1)[..., None]
        for index, (centre, radii, colour) in enumerate((*HEAD, *FEATURES, mouth, inside)):
            light = shade if index == len(HEAD) - 1 else 1.0
            for side in (-1, 1) if centre[0] else (1,):
                distance = np.hypot((x - side * centre[0]) / radii[0], (y - centre[1]) / radii[1])
                covered = np.clip((1 - distance) * min(radii) * face.size + 0.5, 0, 1)[..., None]
                picture = picture * (1 - covered) + np.array(colour) * light * covered
    return picture.clip(0, 255).round().astype(np.uint8)

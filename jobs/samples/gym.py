"""What a recording shows: a person in a room, through a camera that does not move.

In: a seeded generator for the person, one for the room and its camera. Out: pictures of poses, (H, W, 3) uint8 RGB. A
person looks the same in every room but for the light.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from jobs.samples.canvas import Field, Picture, limb_mask, paint, ramp, scheme, shape_mask
from jobs.samples.movements import Movement
from jobs.samples.skeleton import Body, Joints, Point, Pose, joints_of

FAR = 0.72  # brightness of the limbs on the far side
NOISE = 4.0  # of a camera, in brightness from 0 to 255
NOISES = 8  # drawn once and shown in turn
BAR_REACH, PLATE = 0.42, 0.10  # of half a bar and a plate's radius, in heights of the body
STEEL, RUBBER = np.array([[150, 152, 158], [34, 34, 38]], dtype=np.float32)
GREY, MUTED = np.float32(140), 0.4
SKIN = np.array([[88, 56, 42], [132, 88, 64], [184, 132, 98], [226, 184, 152]], dtype=np.float32)


@dataclass(frozen=True)
class Athlete:
    """A person, with what stays the same in all their recordings.

    tempo   seconds of a repetition, relative to others'
    depth   how far the person goes in a movement (`Movement.pose`)
    warp    exponent of the phase: below 1 the first half of a repetition is the quicker one
    height  of the body, in heights of the picture
    colours of skin, shirt, trousers and hair, (4, 3)
    """

    name: str
    body: Body
    tempo: float
    depth: float
    warp: float
    height: float
    colours: Field

    @classmethod
    def drawn(cls, name: str, rng: np.random.Generator) -> Athlete:
        """A person at random."""
        standard = Body()
        lengths = {part: length * rng.uniform(0.9, 1.1) for part, length in vars(standard).items()}
        skin = SKIN[int(rng.integers(len(SKIN)))] * rng.uniform(0.92, 1.08)
        shirt, trousers = rng.uniform(20, 235, (2, 3))
        return cls(
            name=name,
            body=Body(**lengths | {"girth": standard.girth * rng.uniform(0.8, 1.3)}),
            tempo=rng.uniform(0.8, 1.25),
            depth=rng.uniform(0.88, 1.06),
            warp=rng.uniform(0.8, 1.25),
            height=rng.uniform(0.44, 0.54),
            colours=np.stack([skin, shirt, trousers, skin * rng.uniform(0.2, 0.9)]).astype(np.float32),
        )

    def pose(self, movement: Movement, phase: float) -> Pose:
        """The pose at a phase of a repetition, as this person does it."""
        return movement.pose(phase**self.warp, self.depth)


class Room:
    """A room seen by a camera: `draw` shows a person in it.

    The camera stands to one side of the person, up to 40 degrees before or behind, a little nearer or farther.
    """

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self._ground = _ground(width, height, rng)
        turn = np.radians(rng.uniform(-40, 40))
        facing = rng.choice((-1.0, 1.0))
        self._across = np.array([facing * np.cos(turn), 0.0, np.sin(turn)])  # a picture's x, in the person's terms
        self._scale = height * rng.uniform(0.9, 1.08)
        self._middle, self._floor = width * rng.uniform(0.44, 0.56), height * rng.uniform(0.76, 0.82)
        self._light = np.float32(rng.uniform(0.7, 1.15))
        self._noises = rng.normal(0, NOISE, (NOISES, height, width, 1)).astype(np.float32)

    def draw(self, athlete: Athlete, movement: Movement, pose: Pose, number: int) -> Picture:
        """The picture with a number of the person in a pose of a movement."""
        picture = self._ground.copy()
        joints = joints_of(athlete.body, pose)
        self._paint(picture, athlete, joints, _centre(athlete.body, movement), has_barbell=movement.has_barbell)
        noisy = picture * self._light + self._noises[number % NOISES]
        shown: Picture = np.clip(noisy, 0, 255).astype(np.uint8)
        return shown

    def _paint(self, picture: Picture, athlete: Athlete, joints: Joints, centre: float, *, has_barbell: bool) -> None:
        """From back to front: the limbs of the far side, the trunk and the head, those of the near side, the bar."""
        scale, girth = self._scale * athlete.height, athlete.body.girth
        skin, shirt, trousers, hair = athlete.colours

        def place(point: Point) -> tuple[float, float]:
            x, y = point @ self._across - centre * self._across[0], point[1]
            return float(self._middle + x * scale), float(self._floor - y * scale)

        def limb(points: tuple[Point, ...], radius: float, colour: Field) -> None:
            for start, end in pairwise(points):
                paint(picture, *limb_mask(place(start), place(end), radius * scale), colour)

        for side, shade in ((joints.left, np.float32(FAR)), (joints.right, np.float32(1))):
            limb((side.ankle, side.knee, side.hip), girth * 1.15, trousers * shade)
            if side is joints.right:
                limb((joints.pelvis, joints.neck), girth * 2.0, shirt)
                limb((joints.head, joints.head), athlete.body.head, skin)
                crown = [joints.head + np.array([0, up, 0]) for up in (0.03, 0.04)]
                limb((crown[0], crown[1]), athlete.body.head * 0.75, hair)
            limb((side.shoulder, side.elbow), girth * 0.9, shirt * shade)
            limb((side.elbow, side.hand), girth * 0.8, skin * shade)
        if has_barbell:
            ends = [joints.bar + np.array([0, 0, reach]) for reach in (BAR_REACH, -BAR_REACH)]
            limb((ends[0], ends[1]), 0.012, STEEL)
            for end in ends:
                mask = shape_mask(0, PLATE * scale)
                x, y = place(end)
                paint(picture, x - mask.shape[1] // 2, y - mask.shape[0] // 2, mask, RUBBER)


@lru_cache
def _centre(body: Body, movement: Movement) -> float:
    """The middle of where a movement takes place, forward of the feet: it is what the camera points at."""
    reached = [joints_of(body, pose) for _, pose in movement.poses]
    x = [at[0] for one in reached for at in (one.right.ankle, one.pelvis, one.neck, one.head)]
    return float(min(x) + max(x)) / 2


def _ground(width: int, height: int, rng: np.random.Generator) -> Picture:
    """Wall and floor, with things along the wall."""
    colours = scheme(rng)
    floor = int(height * rng.uniform(0.62, 0.74))
    wall, ground = _muted(colours[int(rng.integers(4))]), _muted(colours[int(rng.integers(4))]) * np.float32(0.8)
    rows = np.concatenate([ramp(np.stack([wall * 0.85, wall]), floor), np.tile(ground, (height - floor, 1))])
    picture = np.repeat(rows.astype(np.uint8)[:, None], width, axis=1)
    for _ in range(int(rng.integers(3, 8))):
        across, up = rng.uniform(0.05, 0.3) * width, rng.uniform(0.1, 0.45) * height
        left, top = rng.uniform(-0.1, 1.0) * width, rng.uniform(0.0, 1.0) * (floor - up)
        thing = np.ones((max(int(up), 2), max(int(across), 2)), dtype=np.float32)
        paint(picture, left, top, thing, _muted(rng.uniform(20, 235, 3).astype(np.float32)))
    return picture


def _muted(colour: Field) -> Field:
    """A colour of walls and furniture, which stand back behind a person's."""
    return GREY + np.float32(MUTED) * (colour - GREY)

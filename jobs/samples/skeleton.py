"""A person as a skeleton: lengths of the body, a pose, and where the joints of both are.

Lengths are in heights of the body. x points forward, y up from the floor, z to the person's left. Angles are in degrees
from straight up, forward positive: an arm that hangs is at 180, one stretched forward at 90.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]  # (3,)


class Pose(NamedTuple):
    """The directions of shanks, thighs, trunk, upper arms and forearms, each away from the feet or the shoulders."""

    shank: float
    thigh: float
    trunk: float
    upper_arm: float
    forearm: float


@dataclass(frozen=True)
class Body:
    """Lengths of a person; the widths are half of those between the joints of both sides, `girth` a limb's radius."""

    shank: float = 0.25
    thigh: float = 0.25
    trunk: float = 0.30
    upper_arm: float = 0.17
    forearm: float = 0.16
    head: float = 0.065
    hip_width: float = 0.07
    shoulder_width: float = 0.11
    girth: float = 0.034


class Side(NamedTuple):
    """The joints of the left or the right half, each (3,)."""

    ankle: Point
    knee: Point
    hip: Point
    shoulder: Point
    elbow: Point
    hand: Point


@dataclass(frozen=True)
class Joints:
    """Where the joints are; `bar` is the middle between the hands, from which a barbell reaches to both sides."""

    left: Side
    right: Side
    pelvis: Point
    neck: Point
    head: Point

    @property
    def bar(self) -> Point:
        """The middle between the hands."""
        middle: Point = (self.left.hand + self.right.hand) / 2
        return middle


def between(start: Pose, end: Pose, share: float) -> Pose:
    """The pose at a share of the way from one to another."""
    return Pose(*(a + share * (b - a) for a, b in zip(start, end, strict=True)))


def joints_of(body: Body, pose: Pose) -> Joints:
    """The joints of a body in a pose, its feet on the floor below the origin."""
    knee = np.array([0.0, body.girth, 0.0]) + body.shank * _direction(pose.shank)
    pelvis = knee + body.thigh * _direction(pose.thigh)
    neck = pelvis + body.trunk * _direction(pose.trunk)
    elbow = neck + body.upper_arm * _direction(pose.upper_arm)
    hand = elbow + body.forearm * _direction(pose.forearm)

    def side(sign: int) -> Side:
        hips, shoulders = np.array([0, 0, sign * body.hip_width]), np.array([0, 0, sign * body.shoulder_width])
        ankle = np.array([0.0, body.girth, 0.0])
        return Side(*(joint + hips for joint in (ankle, knee, pelvis)), *(at + shoulders for at in (neck, elbow, hand)))

    return Joints(side(1), side(-1), pelvis, neck, neck + 1.7 * body.head * _direction(pose.trunk))


def _direction(degrees: float) -> Point:
    turn = np.radians(degrees)
    return np.array([np.sin(turn), np.cos(turn), 0.0])

"""Nine movements of a gym as key poses of a skeleton, in `MOVEMENTS`, and the workouts that they make up.

A repetition begins and ends in the same pose. Several differ in a part alone, as in a gym: a push press is a shoulder
press with a dip, a thruster one with a squat; a clean ends on the shoulders, a snatch above the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jobs.samples.skeleton import Pose, between

STANDING = Pose(0, 0, 0, 172, 165)
SQUATTING = Pose(32, -85, 38, 85, 85)
ON_THE_FLOOR = Pose(18, -62, 62, 180, 180)  # the bar, before a pull
PULLED = Pose(0, 0, 0, 178, 178)
SHRUGGED = Pose(6, -10, 12, 118, 168)
RACKED = Pose(0, 0, 0, 112, -38)  # the bar on the shoulders
DIPPED = Pose(18, -34, 3, 112, -38)
FRONT_SQUATTING = Pose(34, -88, 22, 108, -38)
CAUGHT = Pose(22, -52, 14, 112, -38)
OVERHEAD = Pose(0, 0, 0, 2, 2)
CAUGHT_OVERHEAD = Pose(24, -58, 20, 0, 0)
PLANK = Pose(66, 66, 66, 180, 180)
LOWERED = Pose(81, 81, 81, 273, 150)  # elbows up behind the back
LYING = Pose(-40, -140, -88, -80, -85)
SITTING = Pose(-40, -140, 8, 75, 100)


@dataclass(frozen=True)
class Movement:
    """A movement: what a repetition takes, and its poses at shares of this time, the first and the last one equal."""

    seconds: float
    poses: tuple[tuple[float, Pose], ...]
    has_barbell: bool = False

    @property
    def rest(self) -> Pose:
        """The pose between repetitions."""
        return self.poses[0][1]

    def pose(self, phase: float, depth: float = 1.0) -> Pose:
        """The pose at a phase from 0 to 1 of a repetition; `depth` is how far a person goes, 1 being all of it."""
        for (start, one), (end, other) in pairwise(self.poses):
            if phase <= end:
                share = (phase - start) / (end - start)
                return between(self.rest, between(one, other, share * share * (3 - 2 * share)), depth)
        return self.rest


# What a pull to the shoulders and one above the head have in common: up from the floor, and back by way of the hips.
_UP, _DOWN = ((0.0, ON_THE_FLOOR), (0.25, SHRUGGED)), ((0.8, PULLED), (1.0, ON_THE_FLOOR))

# What a pull to the shoulders and one above the head have in common: up from the floor, and back by way of the hips.
_UP, _DOWN = ((0.0, ON_THE_FLOOR), (0.25, SHRUGGED)), ((0.8, PULLED), (1.0, ON_THE_FLOOR))

MOVEMENTS: dict[str, Movement] = {
    "air-squat": Movement(1.3, ((0, STANDING), (0.5, SQUATTING), (1, STANDING))),
    "clean": Movement(2.0, (*_UP, (0.4, CAUGHT), (0.6, RACKED), *_DOWN), has_barbell=True),
    "deadlift": Movement(1.6, ((0, ON_THE_FLOOR), (0.5, PULLED), (1, ON_THE_FLOOR)), has_barbell=True),
    "push-press": Movement(1.3, ((0, RACKED), (0.3, DIPPED), (0.6, OVERHEAD), (1, RACKED)), has_barbell=True),
    "push-up": Movement(1.0, ((0, PLANK), (0.5, LOWERED), (1, PLANK))),
    "shoulder-press": Movement(1.3, ((0, RACKED), (0.5, OVERHEAD), (1, RACKED)), has_barbell=True),
    "sit-up": Movement(1.5, ((0, LYING), (0.5, SITTING), (1, LYING))),
    "snatch": Movement(2.0, (*_UP, (0.4, CAUGHT_OVERHEAD), (0.6, OVERHEAD), *_DOWN), has_barbell=True),
    "thruster": Movement(1.7, ((0, RACKED), (0.4, FRONT_SQUATTING), (0.7, OVERHEAD), (1, RACKED)), has_barbell=True),
}

# A workout's movements in their order; each is in two of the three. A recording shows one workout of one person.
WORKOUTS: dict[str, tuple[str, ...]] = {
    "strength": ("deadlift", "shoulder-press", "air-squat", "clean", "push-press", "sit-up"),
    "weightlifting": ("snatch", "clean", "push-press", "thruster", "deadlift", "push-up"),
    "conditioning": ("thruster", "push-up", "sit-up", "air-squat", "snatch", "shoulder-press"),
}

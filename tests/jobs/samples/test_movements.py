"""Movements are whole, and no two are the same."""

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest

from jobs.samples.movements import MOVEMENTS, WORKOUTS
from jobs.samples.skeleton import Body, joints_of

PHASES = np.linspace(0, 1, 21)


def test_every_movement_is_in_two_workouts() -> None:
    counts = Counter(name for names in WORKOUTS.values() for name in names)
    assert counts == dict.fromkeys(MOVEMENTS, 2)
    assert len(MOVEMENTS) == 9
    assert all(len(set(names)) == len(names) for names in WORKOUTS.values())


@pytest.mark.parametrize("name", MOVEMENTS)
def test_a_repetition_ends_where_it_began_without_leaps_or_hands_below_the_floor(name: str) -> None:
    movement = MOVEMENTS[name]
    assert movement.pose(0) == movement.pose(1) == movement.rest
    poses = np.array([movement.pose(phase) for phase in PHASES])
    assert abs(np.diff(poses, axis=0)).max() < 110  # degrees in a twentieth of a repetition
    lowest = min(joints_of(Body(), movement.pose(phase)).bar[1] for phase in PHASES)
    assert lowest > -0.02
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(movement.poses))


def test_how_deep_a_person_goes() -> None:
    squat = MOVEMENTS["air-squat"]
    half, whole = np.array(squat.pose(0.5, depth=0.5)), np.array(squat.pose(0.5))
    np.testing.assert_allclose(half - squat.rest, (whole - squat.rest) / 2)


def test_every_two_movements_differ() -> None:
    courses = {name: np.array([one.pose(phase) for phase in PHASES]) for name, one in MOVEMENTS.items()}
    for one, other in combinations(courses, 2):
        assert abs(courses[one] - courses[other]).max() > 25, (one, other)

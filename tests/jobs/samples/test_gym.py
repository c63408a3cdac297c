"""A person is seen in front of a room that does not move, in the colours that are theirs."""

import numpy as np

from jobs.samples.gym import Athlete, Room
from jobs.samples.movements import MOVEMENTS

SQUAT = MOVEMENTS["air-squat"]


def athlete(seed: int) -> Athlete:
    return Athlete.drawn("somebody", np.random.default_rng(seed))


def test_only_the_person_moves() -> None:
    room, somebody = Room(96, 128, np.random.default_rng(1)), athlete(2)
    up, down = (room.draw(somebody, SQUAT, somebody.pose(SQUAT, phase), 0).astype(int) for phase in (0, 0.5))
    assert up.shape == (128, 96, 3)
    differs = abs(up - down).max(axis=2) > 0
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    assert 0.02 < differs.mean() < 0.25
    assert rows[0] > 10  # the head does not touch the top
    assert columns[0] > 5
    assert columns[-1] < 90


def test_a_person_looks_the_same_in_another_room_and_another_person_does_not() -> None:
    one, same, other = athlete(2), athlete(2), athlete(3)
    np.testing.assert_array_equal(one.colours, same.colours)
    assert (one.body, one.tempo) == (same.body, same.tempo)
    assert one.body != other.body
    assert abs(one.colours - other.colours).max() > 20
    rooms = [Room(96, 128, np.random.default_rng(seed)) for seed in (1, 1, 4)]
    first, again, elsewhere = (room.draw(one, SQUAT, SQUAT.rest, 0).astype(int) for room in rooms)
    np.testing.assert_array_equal(first, again)
    assert (abs(first - elsewhere).max(axis=2) > 20).mean() > 0.3

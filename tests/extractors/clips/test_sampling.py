"""Positions of clips follow from the placement, for videos of any length."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

import numpy as np
import pytest

from extractors.clips.sampling import ClipSampling


def positions(frames: int, length: Fraction | int, *, seed: int = 0, **options: object) -> list[list[Fraction]]:
    sampling = ClipSampling(**options)  # type: ignore[arg-type]
    return sampling.positions(frames, Fraction(length), np.random.default_rng(seed))


def floors(frames: int, length: Fraction | int, **options: object) -> list[list[int]]:
    return [[floor(position) for position in view] for view in positions(frames, length, **options)]  # type: ignore[arg-type]


def test_defaults_are_what_the_fingerprints_of_labels_hold_already() -> None:
    """A field that is added must be left out of fingerprints where it has its default (`schemas.fingerprint`)."""
    assert json.dumps(asdict(ClipSampling()), sort_keys=True) == (
        '{"crops": 1, "placement": "central", "random_crop": false, "short": "loop", "speed": [1.0, 1.0], '
        '"start_seconds": 0.0, "views": 1}'
    )


@pytest.mark.parametrize(("length", "first"), [(100, 42), (101, 42), (102, 43), (16, 0), (17, 0), (18, 1)])
def test_central_frames_are_centred(length: int, first: int) -> None:
    assert floors(16, length) == [list(range(first, first + 16))]


def test_views_are_spread_from_the_beginning_to_the_end() -> None:
    views = floors(16, 100, views=3)
    assert [view[0] for view in views] == [0, 42, 84]
    assert all(np.diff(view).tolist() == [1] * 15 for view in views)


def test_equal_frames_are_the_middles_of_equal_intervals() -> None:
    assert positions(10, 100, placement="equal") == [[5 + 10 * number for number in range(10)]]
    first, second = positions(4, 16, placement="equal", views=2)
    assert (first, second) == ([1, 5, 9, 13], [3, 7, 11, 15])


def test_views_extend_from_the_given_start_to_the_end() -> None:
    assert floors(8, 50, placement="start") == [list(range(8))]
    assert [view[0] for view in floors(8, 50, placement="start", views=2)] == [0, 42]


@pytest.mark.parametrize("placement", ["central", "start", "random"])
@pytest.mark.parametrize(
    ("length", "loop", "pad"), [(3, [0, 1, 2, 0, 1, 2, 0], [0, 1, 2, 2, 2, 2, 2]), (1, [0] * 7, [0] * 7)]
)
def test_short_videos_are_looped_or_padded(placement: str, length: int, loop: list[int], pad: list[int]) -> None:
    assert floors(7, length, placement=placement, short="loop") == [loop]
    assert floors(7, length, placement=placement, short="pad") == [pad]


def test_random_clips_cover_every_frame_and_stay_within_the_video() -> None:
    starts = set()
    for seed in range(300):
        (view,) = floors(8, 12, placement="random", seed=seed)
        assert view == list(range(view[0], view[0] + 8))
        starts.add(view[0])
    assert starts == {0, 1, 2, 3, 4}


def test_equal_seeds_give_equal_results() -> None:
    options = {"placement": "random", "views": 3, "speed": (0.5, 2.0)}
    assert positions(8, 300, seed=4, **options) == positions(8, 300, seed=4, **options)
    assert positions(8, 300, seed=4, **options) != positions(8, 300, seed=5, **options)


def test_speed_scales_the_step() -> None:
    steps = set()
    for seed in range(50):
        (view,) = positions(8, 300, placement="random", speed=(0.5, 2.0), seed=seed)
        step = view[1] - view[0]
        assert {later - earlier for earlier, later in pairwise(view)} == {step}
        assert view[0] >= 0
        assert view[-1] < 300
        assert Fraction(1, 2) <= step <= 2
        steps.add(step)
    assert len(steps) > 40


def test_pairs_are_a_frame_and_the_next_one() -> None:
    def paired(length: int, **options: Any) -> list[list[float]]:
        rng = np.random.default_rng(0)
        (found,) = ClipSampling(**options).positions(4, Fraction(length), rng, with_pairs=True)
        return [list(map(float, found[start : start + 4])) for start in (0, 4, 8)]

    assert paired(10) == [[3, 4, 5, 6], [3, 4, 5, 6], [4, 5, 6, 7]]
    assert paired(4) == [[0, 1, 2, 3], [0, 1, 2, 2], [1, 2, 3, 3]]  # none follows the last one
    assert paired(2) == [[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]
    assert paired(1) == [[0] * 4, [0] * 4, [0] * 4]
    assert paired(40, placement="equal") == [[5, 15, 25, 35], [5, 15, 25, 35], [6, 16, 26, 36]]
    frames, firsts, seconds = paired(40, placement="random", speed=(2.0, 2.0))
    assert firsts == frames
    assert seconds == [one + 2 for one in frames]


def test_lengths_of_fractions_of_a_frame() -> None:
    for placement in ("central", "equal", "start", "random"):
        for length in (Fraction(1, 7), Fraction(75, 10), Fraction(163, 10)):
            for position in positions(8, length, placement=placement)[0]:
                assert 0 <= position < length


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(
        ValueError, match=r"placement is 'middle'.*views is 0.*crops is 2.*short is 'stop'|placement"
    ) as refusal:
        ClipSampling(placement="middle", views=0, crops=2, short="stop", start_seconds=-1, speed=(2.0, 1.0))
    for word in ("'middle'", "views is 0", "crops is 2", "'stop'", "start_seconds is -1", "speed is (2.0, 1.0)"):
        assert word in str(refusal.value)
    for wrong in ({"start_seconds": 1.0}, {"speed": (0.5, 1.0)}, {"random_crop": True, "crops": 3}):
        with pytest.raises(ValueError, match=r"start_seconds|speed|random_crop"):
            ClipSampling(**wrong)  # type: ignore[arg-type]

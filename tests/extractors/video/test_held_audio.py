"""Runs lie on the grid; what overlaps, what is released and what another part covers has one rule."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.video.audio_run import PIECE_SAMPLES, AudioRun
from extractors.video.grid import Grid
from extractors.video.held_audio import RATE_HZ, WINDOW_SAMPLES, HeldAudio

ORIGIN_SECONDS = 2  # of the grid, on the container's clock


def held_audio(fps: int = 1, **options: list[float]) -> HeldAudio:
    held = HeldAudio(Grid(Fraction(fps), Fraction(1, 1000), ORIGIN_SECONDS * 1000), **options)
    held.align(0)
    return held


def add_run(held: HeldAudio, start: float, seconds: float, level: float, *, part: int = 0) -> AudioRun:
    """A run of one level, `start` seconds after the first frame."""
    run = held.start_run(part, ORIGIN_SECONDS + start)
    run.add_frame(0.0)
    samples = np.full(round(seconds * RATE_HZ), level, np.float32)
    for first in range(0, len(samples), PIECE_SAMPLES):
        run.add_samples(samples[first : first + PIECE_SAMPLES])
    return run


def levels(held: HeldAudio, *seconds: int) -> NDArray[np.float32]:
    """The first sample of some windows."""
    levels: NDArray[np.float32] = held.windows(seconds)[:, 0]
    return levels


def test_runs_are_placed_on_the_grid_and_silence_is_between_them() -> None:
    held = held_audio()
    add_run(held, 0.5, 1, 0.1)
    held.end_run()
    add_run(held, 3, 2, 0.2)
    window, silence, later, last = held.windows([0, 2, 3, 4])
    assert not window[: RATE_HZ // 2].any()
    assert (window[RATE_HZ // 2 :] == np.float32(0.1)).all()
    assert not silence.any()
    assert (later == np.float32(0.2)).all()
    assert len(last) == WINDOW_SAMPLES
    assert held.samples == 3 * RATE_HZ
    assert held.ended == [ORIGIN_SECONDS + 0.5]


def test_the_last_of_overlapping_runs_counts() -> None:
    held = held_audio()
    add_run(held, 0, 4, 0.1)
    held.end_run()
    add_run(held, 1, 2, 0.2)
    assert levels(held, 0, 1, 2, 3).tolist() == pytest.approx([0.1, 0.2, 0.2, 0.1])


def test_a_part_ends_where_the_next_one_starts() -> None:
    held = held_audio()
    add_run(held, 0, 4, 0.1)
    held.end_run()
    held.start_part(ORIGIN_SECONDS + 2.0)
    add_run(held, 1, 4, 0.2, part=1)
    assert levels(held, 0, 1, 2, 3, 4).tolist() == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.2])


def test_times_are_grid_points() -> None:
    held = held_audio(fps=2)
    times = (ORIGIN_SECONDS, ORIGIN_SECONDS + 0.1, ORIGIN_SECONDS + 0.5, ORIGIN_SECONDS + 3)
    assert [held.point_at(seconds) for seconds in times] == [0, 1, 1, 6]


def test_the_latest_samples_may_be_earlier_in_time() -> None:
    held = held_audio()
    add_run(held, 0, 10, 0.1)
    assert held.first_of_latest(3 * RATE_HZ) == ORIGIN_SECONDS + 7
    held.end_run()
    add_run(held, 100, 2, 0.2)
    assert held.first_of_latest(3 * RATE_HZ) == ORIGIN_SECONDS + 9
    held.end_run()
    add_run(held, 5, 2, 0.3)
    assert held.first_of_latest(3 * RATE_HZ) == ORIGIN_SECONDS + 5
    assert held.first_of_latest(30 * RATE_HZ) == ORIGIN_SECONDS


def test_released_samples_are_silent_and_the_others_stay() -> None:
    held = held_audio()
    add_run(held, 0, 3, 0.1)
    held.end_run()
    add_run(held, 4, 4, 0.2)
    held.settle(ORIGIN_SECONDS + 6)
    held.release(6)
    assert held.samples == 2 * RATE_HZ
    assert levels(held, 1, 5, 6, 7).tolist() == pytest.approx([0, 0, 0.2, 0.2])


def test_only_the_runs_that_are_needed_are_settled() -> None:
    held = held_audio()
    first = add_run(held, 0, 3, 0.1)
    held.settle(ORIGIN_SECONDS - 1)
    first.add_frame(0.02)
    assert first.seconds == ORIGIN_SECONDS + 0.01
    held.settle(ORIGIN_SECONDS + 1)
    first.add_frame(0.04)
    assert first.seconds == ORIGIN_SECONDS + 0.01


@pytest.mark.parametrize(("deviation", "is_misplaced"), [(0.02, True), (0.0001, False)])
def test_a_run_whose_end_moves_it_by_a_sample_is_misplaced(deviation: float, is_misplaced: bool) -> None:
    held = held_audio()
    run = add_run(held, 0, 3, 0.1)
    held.settle(ORIGIN_SECONDS + 1)
    for _ in range(3):
        run.add_frame(deviation / 3)
    held.end_run()
    assert held.is_misplaced == is_misplaced
    assert run.seconds == ORIGIN_SECONDS
    assert held.ended == pytest.approx([ORIGIN_SECONDS + deviation / 4])


def test_a_run_that_was_not_settled_is_never_misplaced() -> None:
    held = held_audio()
    run = add_run(held, 0, 3, 0.1)
    run.add_frame(0.02)
    held.end_run()
    assert not held.is_misplaced
    assert run.seconds == ORIGIN_SECONDS + 0.01


def test_runs_of_another_pass_have_their_places() -> None:
    first = held_audio()
    for start in (0.0, 5.0):
        add_run(first, start, 1, 0.1).add_frame(0.02)
        first.end_run()
    second = held_audio(places=first.ended)
    for start in (0.0, 5.0):
        run = add_run(second, start, 1, 0.1)
        assert run.seconds == ORIGIN_SECONDS + start + 0.01
        second.end_run()
    assert not second.is_misplaced
    assert second.ended == first.ended
    unknown = add_run(held_audio(places=first.ended), 3.0, 1, 0.1)
    assert unknown.seconds == ORIGIN_SECONDS + 3.0, "the place is that of another run"

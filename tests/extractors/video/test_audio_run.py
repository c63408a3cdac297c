"""A run is placed by the mean of its timestamps, and forgets samples without losing count."""

from __future__ import annotations

import numpy as np
import pytest

from extractors.video.audio_run import PIECE_SAMPLES, AudioRun

NUMBERS = np.arange(3 * PIECE_SAMPLES + 500, dtype=np.float32)


def run_of_numbers() -> AudioRun:
    run = AudioRun(0, 5.0)
    for start in range(0, len(NUMBERS), PIECE_SAMPLES):
        run.add_samples(NUMBERS[start : start + PIECE_SAMPLES])
    return run


@pytest.mark.parametrize(
    ("first", "stop"),
    [
        (0, len(NUMBERS)),
        (1, 2),
        (PIECE_SAMPLES, 2 * PIECE_SAMPLES),
        (PIECE_SAMPLES - 1, PIECE_SAMPLES + 1),
        (3 * PIECE_SAMPLES + 1, len(NUMBERS)),
    ],
)
def test_stretches_of_the_samples(first: int, stop: int) -> None:
    np.testing.assert_array_equal(run_of_numbers().samples(first, stop), NUMBERS[first:stop])


def test_samples_are_released_in_whole_pieces() -> None:
    run = run_of_numbers()
    for stop, released in [
        (-100, 0),
        (PIECE_SAMPLES - 1, 0),
        (2 * PIECE_SAMPLES + 7, 2 * PIECE_SAMPLES),
        (PIECE_SAMPLES, 2 * PIECE_SAMPLES),
    ]:
        run.release(stop)
        assert (run.released, run.held, run.length) == (released, len(NUMBERS) - released, len(NUMBERS))
    np.testing.assert_array_equal(run.samples(2 * PIECE_SAMPLES + 3, len(NUMBERS)), NUMBERS[2 * PIECE_SAMPLES + 3 :])
    run.add_samples(NUMBERS[:500])
    assert run.held == len(NUMBERS) + 500 - 2 * PIECE_SAMPLES
    run.release(10 * PIECE_SAMPLES)
    assert (run.released, run.held) == (run.length, 0)


def test_the_mean_of_the_timestamps_places_the_run() -> None:
    run = AudioRun(0, 5.0)
    for deviation in (0.0, 0.002, 0.004):
        run.add_frame(deviation)
    assert run.seconds == pytest.approx(5.002)
    run.add_frame(0.006)
    assert run.seconds == pytest.approx(5.003)


def test_a_settled_run_stays_where_it_is() -> None:
    run = AudioRun(0, 5.0)
    run.add_frame(0.0)
    run.add_frame(0.002)
    run.settle()
    run.add_frame(0.01)
    assert (run.seconds, run.mean_seconds()) == (pytest.approx(5.001), pytest.approx(5.004))
    run.settle()
    assert run.seconds == pytest.approx(5.001)


def test_a_run_keeps_the_place_that_is_known() -> None:
    run = AudioRun(0, 5.0, place=5.25)
    run.add_frame(0.0)
    assert run.seconds == 5.25

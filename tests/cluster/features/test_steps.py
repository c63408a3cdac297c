"""Steps look at the grid points around them, counted by hand; their features are those of NumPy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.features import steps as module
from cluster.features.blocks import FeatureBlock
from cluster.features.steps import FrameSteps, StepGrid, step_batches
from schemas.quantization import dequantize


def grid(fps: object = 1, hz: object = 1, window: object = 5) -> StepGrid:
    return StepGrid(fps=Fraction(fps), hz=Fraction(hz), window_seconds=Fraction(window))  # type: ignore[arg-type]


def looked_at(steps: FrameSteps) -> dict[int, list[int]]:
    """The frames of each step."""
    return {
        number: list(range(first, stop))
        for number, first, stop in zip(*(a.tolist() for a in (steps.numbers, steps.first, steps.stop)), strict=True)
    }


def by_hand(frames: int, fps: float, hz: float, window: float) -> dict[int, list[int]]:
    """By the simplest means there is, for numbers that floats hold exactly."""
    found = {}
    for step in range(-(-int(frames * hz * 64) // int(fps * 64)) + 1):
        own = [g for g in range(frames) if g / fps < (step + 1) / hz and (g + 1) / fps > step / hz]
        middle = (step + 0.5) / hz
        seen = [g for g in range(frames) if middle - window / 2 < (g + 0.5) / fps <= middle + window / 2]
        if own and seen:
            found[step] = seen
    return found


def test_a_second_looks_at_the_seconds_around_it() -> None:
    assert looked_at(grid().steps(6)) == {
        0: [0, 1, 2],
        1: [0, 1, 2, 3],
        2: [0, 1, 2, 3, 4],
        3: [1, 2, 3, 4, 5],
        4: [2, 3, 4, 5],
        5: [3, 4, 5],
    }
    assert looked_at(grid(window=1).steps(3)) == {0: [0], 1: [1], 2: [2]}


@pytest.mark.parametrize("fps", [1, 0.5, 2, 8, 30])
@pytest.mark.parametrize("hz", [1, 0.25, 4, 0.5])
@pytest.mark.parametrize("window", [2, 5, 30])
def test_all_rates(fps: float, hz: float, window: float) -> None:
    assert looked_at(grid(fps, hz, window).steps(37)) == by_hand(37, fps, hz, window)


def test_rates_that_no_float_holds_are_exact() -> None:
    steps = grid(Fraction(30000, 1001), 1, Fraction(1001, 30000)).steps(90_000)
    assert len(steps.numbers) == 3003
    middle = (np.arange(3003) * 2 + 1) * 30000
    # The one grid point that is on screen at the middle of the step.
    assert [int(first) for first in steps.first] == [int(value // 2002) for value in middle]
    assert (steps.stop - steps.first == 1).all()
    tiny = grid(Fraction(29_999_999, 1_000_000), Fraction(123_457, 1_000_000), Fraction(12_345_679, 1_000_000))
    steps = tiny.steps(10_000)
    assert steps.numbers.tolist() == list(range(len(steps.numbers)))
    middle = (steps.numbers + 0.5) / 0.123457
    assert np.allclose((steps.first + 0.5) / 29.999999, np.maximum(middle - 12.345679 / 2, 0), atol=0.034)


def test_entries_of_gaps_are_absent_and_times_go_on_after_them() -> None:
    """Ten grid points, of which 3 to 6 are missing."""
    gaps = [(float(np.float32(3.0)), float(np.float32(7.0)))]
    assert looked_at(grid(window=3).steps(6, gaps=gaps)) == {
        0: [0, 1],
        1: [0, 1, 2],
        2: [1, 2],
        7: [3, 4],
        8: [3, 4, 5],
        9: [4, 5],
    }
    assert looked_at(grid(hz="1/4", window=4).steps(6, gaps=gaps)) == {0: [0, 1, 2], 1: [3], 2: [4, 5]}
    at_30 = [(float(np.float32(100 / 30)), float(np.float32(200 / 30))), (-2.0, 0.0)]
    steps = grid(30, 30, "1/30").steps(300, gaps=at_30)
    assert steps.numbers.tolist() == [*range(100), *range(200, 400)]
    assert steps.first.tolist() == list(range(300))


def test_several_gaps_and_bounds_between_grid_points() -> None:
    steps = grid(window=1).steps(5, gaps=[(6.5, 8.2), (1.0, 3.0), (0.0, 0.0), (20.0, 30.0)])
    assert steps.numbers.tolist() == [0, 3, 4, 5, 6]
    steps = grid(window=1).steps(6, gaps=[(6.5, 8.2), (1.0, 3.0)])
    assert steps.numbers.tolist() == [0, 3, 4, 5, 6, 9]


def test_a_gap_of_years_costs_nothing() -> None:
    steps = grid(window=1, hz=4).steps(3, gaps=[(1.0, 4e6)])
    assert steps.numbers.tolist() == [0, 1, 2, 3, *range(16_000_000, 16_000_008)]
    assert len(grid(window=1, hz=4).steps(3, gaps=[(1.0, 9e8)]).numbers) == 12


def test_a_part_of_a_video_keeps_the_times_of_the_whole() -> None:
    assert looked_at(grid(window=3).steps(4, start_seconds=10)) == {
        10: [0, 1],
        11: [0, 1, 2],
        12: [1, 2, 3],
        13: [2, 3],
    }
    assert grid(hz="1/4").steps(5, start_seconds=10).numbers.tolist() == [3]
    assert looked_at(grid(hz="1/4").steps(1, start_seconds=10)) == {2: [0]}  # or it would have no step
    assert looked_at(grid(fps="30000/1001", hz=1, window=1).steps(60, start_seconds=10, gaps=[(10.0, 11.0)])) == {
        11: list(range(30)),
        12: list(range(30, 60)),
    }


def test_a_video_without_frames_has_a_step_of_none() -> None:
    assert looked_at(grid().steps(0)) == {0: []}


def test_windows_shorter_than_the_distance_of_grid_points_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--window is 0\.5 s, but these features are 2 s apart"):
        grid("1/2", window="1/2")


def block(codes: bool) -> tuple[FeatureBlock, list[NDArray[np.float32]]]:
    """Two videos of 7 and 5 frames, as codes or as floats; and the features of their frames."""
    rng = np.random.default_rng(1)
    values = [rng.integers(0, 256, (12, dim), np.uint8) for dim in (4, 3)]
    decoded = [dequantize(value) for value in values]
    rgb, audio = values if codes else decoded
    return FeatureBlock(0, rgb, audio, np.array([7, 5]), np.array([0, 7, 12])), decoded


FIRST, STOP = [0, 0, 1, 4, 7, 7, 9, 12], [2, 3, 6, 7, 8, 12, 12, 12]


@pytest.mark.parametrize("codes", [True, False])
@pytest.mark.parametrize("level", ["video", "frame"])
@pytest.mark.parametrize("most", [1, 6, 8, 1000])
def test_batches_hold_the_features_of_each_step(
    codes: bool, level: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_FRAMES", most)
    made, decoded = block(codes)
    steps = FrameSteps(np.arange(8), np.array(FIRST), np.array(STOP))
    batches = list(step_batches(made, steps, level))
    assert [number for part, _ in batches for number in range(part.start, part.stop)] == list(range(8))
    assert (len(batches) == 1) == (most == 1000)
    for part, batch in batches:
        for row, (first, stop) in enumerate(zip(FIRST[part], STOP[part], strict=True)):
            assert batch.num_frames[row] == stop - first
            for found, values in ((batch.rgb, decoded[0]), (batch.audio, decoded[1])):
                own = values[first:stop]
                if level == "frame":
                    np.testing.assert_array_equal(found[row, : stop - first], own)
                    assert not found[row, stop - first :].any()
                else:
                    mean = own.mean(axis=0, dtype=np.float64) if len(own) else np.zeros(own.shape[1])
                    np.testing.assert_allclose(found[row], mean, rtol=1e-6, atol=1e-6)

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cluster.annotations.runs import FrameRuns
from schemas.annotations import FrameRange


@given(st.sets(st.integers(0, 60)), st.integers(1, 3), st.randoms(use_true_random=False))
def test_runs_cover_exactly_the_frames_that_were_added(numbers: set[int], step: int, random: object) -> None:
    frames = [number * step for number in numbers]
    random.shuffle(frames)  # type: ignore[attr-defined]
    runs = FrameRuns(step)
    for frame in [*frames, *frames[:2]]:
        runs.add("a", frame, f"frame {frame}")
    extents = [one.extent for one in runs.annotations()]
    covered = {n for one in extents if isinstance(one, FrameRange) for n in range(one.first, one.last + 1)}
    assert covered == {frame + n for frame in frames for n in range(step)}
    assert all(one.last + 1 < two.first for one, two in pairwise(extents))  # type: ignore[union-attr]


def test_labels_and_attributes_have_runs_of_their_own() -> None:
    runs = FrameRuns()
    for frame, label, value in ((5, "b", "x"), (1, "a", "x"), (2, "a", "y"), (3, "a", "y")):
        runs.add(label, frame, f"frame {frame}", (("k", value),))
    assert [(one.label, one.extent, one.source, one.attributes) for one in runs.annotations()] == [
        ("a", FrameRange(1, 1), "frame 1", (("k", "x"),)),
        ("a", FrameRange(2, 3), "frame 2", (("k", "y"),)),
        ("b", FrameRange(5, 5), "frame 5", (("k", "x"),)),
    ]

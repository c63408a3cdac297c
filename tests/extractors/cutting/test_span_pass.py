"""Passes: which spans share one, and that each takes its frames and no others."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakSet

import pytest
from av.video.frame import VideoFrame
from typing_extensions import override

from extractors.cutting.frame_list import list_frames
from extractors.cutting.span import Span
from extractors.cutting.span_pass import MAX_OPEN, SpanFrames, _batches, span_frames
from schemas.outcomes import FailureCode, VideoError
from tests.support.cutting import span_of
from tests.support.videos import Clip, read_number, write_video


class Numbers(SpanFrames):
    """The numbers in the pictures of a span, with their times and durations."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self.taken: list[tuple[int, int, int]] = []
        self.finished = 0

    @override
    def _take(self, frame: VideoFrame, pts: int, duration: int) -> None:
        self.taken.append((read_number(frame.to_ndarray(format="rgb24")), pts, duration))

    @override
    def _finish(self) -> None:
        self.finished += 1


def test_every_span_takes_its_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=60, gop=20, b_frames=2))
    frames = list_frames(str(path))
    ranges = [(50, 59), (0, 4), (2, 30), (3, 3), (3, 29), (3, 31), (4, 33), (40, 45)]
    spans = [span_of(frames, *both, tmp_path / str(both)) for both in ranges]
    made = span_frames(path, frames, spans, lambda span, *_: Numbers(span), with_sound=False, max_pixels=1 << 20)
    found = {one.span.path.name: one for one in made if isinstance(one, Numbers)}
    assert len(found) == len(spans)
    step = frames.timestamps[1] - frames.timestamps[0]
    for first, last in ranges:
        one = found[str((first, last))]
        assert not one.problem
        assert one.finished == 1
        assert one.taken == [(first + place, place * step, step) for place in range(last - first + 1)]


def test_a_span_is_given_out_as_it_closes_and_not_held(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=60, gop=20))
    frames = list_frames(str(path))
    spans = [span_of(frames, first, first + 9, tmp_path / str(first)) for first in range(0, 60, 10)]
    alive: WeakSet[Numbers] = WeakSet()

    def make(span: Span, *_: object) -> Numbers:
        alive.add(one := Numbers(span))
        return one

    most = 0
    for _ in span_frames(path, frames, spans, make, with_sound=False, max_pixels=1 << 20):
        most = max(most, sum(bool(one.taken) for one in alive))
    assert most <= 3  # the one before, this one, and the next one, whose first frame closes this one


def test_far_spans_and_many_at_a_time_go_into_other_passes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=50, rate=1))
    frames = list_frames(str(path))
    near = [span_of(frames, number, 9, tmp_path / "n") for number in range(MAX_OPEN + 1)]
    far = span_of(frames, 40, 41, tmp_path / "f")
    assert [len(batch) for batch in _batches([*near, far], frames)] == [MAX_OPEN, 1, 1]


class _Failing(Numbers):
    """The first of several fails, and so do the others as they close."""

    @override
    def _take(self, frame: VideoFrame, pts: int, duration: int) -> None:
        if self.span.path.name == "0":
            raise VideoError(FailureCode.MEMORY_LIMIT, "the first")

    @override
    def _finish(self) -> None:
        super()._finish()
        raise VideoError(FailureCode.STORAGE, "another")


def test_all_are_closed_after_an_error_which_stays(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=60))
    frames = list_frames(str(path))
    spans = [span_of(frames, first, first + 20, tmp_path / str(first)) for first in (0, 10, 20)]
    made: list[_Failing] = []

    def make(span: Span, *_: object) -> _Failing:
        made.append(_Failing(span))
        return made[-1]

    with pytest.raises(VideoError, match="the first"):
        list(span_frames(path, frames, spans, make, with_sound=False, max_pixels=1 << 20))
    assert [one.finished for one in made] == [1, 1, 1]

"""Videos are settled with their last segment, in order of time, or with a failure that they cannot do without."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from cluster.engines.tasks import Done, Failed, Task, TaskQueue
from cluster.engines.wire import pack, unpack
from cluster.scoring.label_writer import VideoLabels
from cluster.scoring.timeline_assembler import TimelineAssembler, TimelineScores
from extractors.segments import Segment
from schemas.failures import FailureRow
from schemas.outcomes import FailureCode, Stage
from schemas.timelines import Timeline
from schemas.videos import Video

A, B = Video("a", "a.mp4"), Video("b", "b.mp4")
SHARES = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.0, 0.9, 0.1]], np.float32)


def assembler() -> TimelineAssembler:
    return TimelineAssembler("run", num_classes=3, top_k=2)


def timeline(*numbers: int) -> Timeline:
    """Steps of a second, with the best class of each."""
    steps = np.array(numbers, np.int64)
    shares = SHARES[steps]
    places = shares.argmax(axis=1)
    scores = shares.max(axis=1, initial=0)
    return Timeline(1.0, steps, places[:, None], scores[:, None], steps, places, scores, shares.sum(0, np.float64))


def done(video: Video, segment: Segment, *numbers: int) -> Done[TimelineScores]:
    task = Task(video, segment if segment.index else None)
    return Done(task, TimelineScores(segment, timeline(*numbers), len(numbers), {}))


def failed(video: Video, segment: Segment, code: FailureCode = FailureCode.DAMAGED) -> Failed:
    return Failed(Task(video, segment), code, "why", Stage.DECODE.value)


def test_a_short_video_has_the_mean_of_its_steps() -> None:
    labels = assembler().add(done(A, Segment(), 0, 1, 2, 3))
    assert isinstance(labels, VideoLabels)
    assert (labels.video, labels.places.tolist()) == (A, [1, 2])
    np.testing.assert_allclose(labels.scores, [0.55, 0.25], rtol=1e-6)
    assert labels.timeline is not None
    assert labels.timeline.numbers.tolist() == [0, 1, 2, 3]


def test_segments_come_in_any_order_and_of_any_video() -> None:
    collected = assembler()
    parts = [Segment(index, 3, index) for index in range(3)]
    assert collected.add(done(A, parts[2], 3)) is None
    assert collected.add(done(A, parts[0], 0, 1)) is None
    assert isinstance(collected.add(done(B, Segment(), 0)), VideoLabels)
    labels = collected.add(done(A, parts[1], 2))
    assert isinstance(labels, VideoLabels)
    assert labels.timeline is not None
    assert labels.timeline.numbers.tolist() == [0, 1, 2, 3]
    assert not collected._done, "nothing is kept of settled videos"


def test_of_a_long_video_timelines_are_kept_and_no_states() -> None:
    segments, state_bytes = 300, 1 << 20
    state = {"0.frames": np.zeros(state_bytes, np.uint8)}
    collected, queue = assembler(), TaskQueue([A])
    held = []
    tracemalloc.start()
    try:
        for index in range(segments):
            task = queue.take()
            assert task is not None
            others = () if index + 1 == segments else (Segment(index + 1, segments, index + 1, None, state),)
            steps = timeline(0, 1, 2, 3)
            steps = replace(steps, numbers=steps.numbers + 4 * index, strong_steps=steps.strong_steps + 4 * index)
            scores = TimelineScores(Segment(index, segments, index), steps, 4, {})
            sent = pack(Done(task.without_state(), scores, others))
            outcome = queue.settle(unpack(Done[TimelineScores], sent))
            del sent
            assert outcome is not None
            labels = collected.add(outcome)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert isinstance(labels, VideoLabels)
    per_segment = (held[-2] - held[1]) / (segments - 3)
    assert per_segment < 4096, f"{per_segment:,.0f} bytes of each segment, whose state has {state_bytes:,}"


@pytest.mark.parametrize("code", [FailureCode.DAMAGED, FailureCode.WORKER_DIED])
def test_a_segment_that_cannot_be_decoded_leaves_a_gap(code: FailureCode) -> None:
    collected = assembler()
    parts = [Segment(index, 3, index) for index in range(3)]
    assert collected.add(done(A, parts[0], 0)) is None
    assert collected.add(failed(A, parts[1], code)) is None
    labels = collected.add(done(A, parts[2], 3))
    assert isinstance(labels, VideoLabels)
    np.testing.assert_allclose(labels.scores, [0.6, 0.25], rtol=1e-6)


@pytest.mark.parametrize(
    ("segment", "code"),
    [
        (Segment(1, 2, 1, None, {"0.frames": np.ones(1)}), FailureCode.DAMAGED),
        (Segment(1, 2, 1), FailureCode.INTERNAL),
    ],
    ids=["a link of a chain", "no damage"],
)
def test_other_failures_are_those_of_the_video(segment: Segment, code: FailureCode) -> None:
    collected = assembler()
    assert collected.add(done(A, Segment(0, 2, 0, 1), 0)) is None
    failure = collected.add(failed(A, segment, code))
    assert isinstance(failure, FailureRow)
    assert (failure.id, failure.code, failure.run_id) == ("a", code, "run")
    assert not collected._done


def test_a_video_without_a_step_is_a_failure() -> None:
    failure = assembler().add(done(A, Segment()))
    assert isinstance(failure, FailureRow)
    assert (failure.code, "shorter than a step" in failure.message) == (FailureCode.NO_DECODABLE_FRAME, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"places": np.array([[3]])},
        {"places": np.array([[-1]])},
        {"places": np.array([[0.5]])},
        {"scores": np.array([[np.nan]], np.float32)},
        {"scores": np.array([[0.5, 0.5]], np.float32)},
        {"strong_places": np.array([9])},
        {"strong_scores": np.array([2.0], np.float32)},
        {"probability_sum": np.zeros(2)},
        {"numbers": np.array([[0]])},
    ],
    ids=str,
)
def test_what_no_network_gives_is_a_failure_of_its_video(changes: dict[str, np.ndarray]) -> None:
    found = done(A, Segment(), 0)
    hostile = Timeline(**{**vars(found.features.timeline), **changes})
    failure = assembler().add(Done(found.task, TimelineScores(Segment(), hostile, 1, {})))
    assert isinstance(failure, FailureRow)
    assert failure.code is FailureCode.INTERNAL


def test_segments_that_contradict_one_another_are_a_failure() -> None:
    collected = assembler()
    assert collected.add(done(A, Segment(0, 2), 1, 2)) is None
    assert isinstance(collected.add(done(A, Segment(1, 2), 0)), FailureRow)

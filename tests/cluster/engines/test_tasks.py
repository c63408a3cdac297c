import pickle

import numpy as np
import pytest

from cluster.engines import tasks
from cluster.engines.base import WorkerLoss
from cluster.engines.tasks import BACKOFF_SECONDS, KILLERS, Done, Failed, Task, TaskQueue
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from schemas.outcomes import TRANSIENT, FailureCode, Stage
from schemas.videos import Video
from tests.support.clocks import Clock

A, B = Video("a", "a.mp4"), Video("b", "b.mp4")
SEGMENTS = tuple(Segment(index, 3, index * 10, (index + 1) * 10) for index in range(3))


def done(task: Task, others: tuple[Segment, ...] = ()) -> Done:
    sums = np.zeros(1024), np.zeros(128)
    return Done(task, SegmentFeatures(task.segment or SEGMENTS[0], 1, 1.0, *sums, None, None, False, {}, 0), others)


def failed(task: Task, code: FailureCode = FailureCode.TRUNCATED, stage: Stage = Stage.READ) -> Failed:
    return Failed(task, code, "why", stage)


def drain(queue: TaskQueue) -> list[Task]:
    tasks = []
    while (task := queue.take()) is not None:
        tasks.append(task)
    return tasks


def test_every_video_is_handed_out_once_in_order():
    queue = TaskQueue([A, B], thumbnails=["b"])
    assert not queue.is_over
    first, second = drain(queue)
    assert (first, second) == (Task(A), Task(B, wants_thumbnail=True))
    assert not queue.is_over, "both are being done"
    for task in (second, first):
        outcome = done(task)
        assert queue.settle(outcome) is outcome
    assert queue.is_over


def test_nothing_to_do_is_over_at_once():
    queue = TaskQueue([])
    assert queue.is_over
    assert queue.take() is None


def test_videos_are_drawn_as_they_are_needed():
    drawn = []
    queue = TaskQueue(drawn.append(video) or video for video in (A, B))
    queue.take()
    assert drawn == [A]


def test_segments_of_a_long_video_come_next_and_in_order():
    queue = TaskQueue([A, B])
    first = queue.take()
    queue.settle(done(first, SEGMENTS[1:]))
    assert drain(queue) == [Task(A, SEGMENTS[1]), Task(A, SEGMENTS[2]), Task(B)]


STATE = {"seen": np.ones(3)}
CHAIN = tuple(Segment(index, 3, index * 10, (index + 1) * 10, STATE) for index in range(3))


def test_a_chain_is_handed_out_link_by_link():
    queue = TaskQueue([A, B])
    settled = queue.settle(done(queue.take(), CHAIN[1:2]))
    assert settled.others == (), "nobody else needs the state"
    second = queue.take()
    assert second.segment.state is STATE
    assert (second.key, second.is_chained) == ("1 a", True)
    assert queue.take() == Task(B)
    assert queue.take() is None, "the third depends on the second"
    assert second.without_state().segment.state is None
    queue.settle(done(second.without_state(), CHAIN[2:]))
    third = queue.take()
    assert third.key == "2 a"
    queue.settle(done(third))
    assert not queue.is_over
    queue.settle(done(Task(B)))
    assert queue.is_over


def test_a_link_that_has_cost_its_worker_is_tried_again_with_its_state():
    queue = TaskQueue([A])
    queue.settle(done(queue.take(), CHAIN[1:2]))
    assert queue.settle_lost([queue.take()], WorkerLoss("it died")) == []
    again = queue.take()
    assert (again.attempt, again.kills, again.segment.state) == (2, 1, STATE)


def test_a_link_that_cannot_be_decoded_leaves_no_gap():
    queue = TaskQueue([A])
    queue.settle(done(queue.take(), CHAIN[1:2]))
    failure = failed(queue.take(), FailureCode.DAMAGED, Stage.DECODE)
    assert not failure.leaves_a_gap
    assert queue.settle(failure) is failure
    assert queue.is_over


def test_a_segment_that_fails_ends_its_video_once():
    queue = TaskQueue([A, B])
    queue.settle(done(queue.take(), SEGMENTS[1:]))
    second, third = queue.take(), queue.take()
    failure = failed(second)
    assert queue.settle(failure) is failure
    assert queue.settle(done(third)) is None, "the video is settled already"
    assert queue.take() == Task(B)
    queue.settle(done(Task(B)))
    assert queue.is_over


def test_a_segment_that_cannot_be_decoded_leaves_a_gap_until_they_are_more_than_half():
    segments = [Segment(index, 4, index * 10, (index + 1) * 10) for index in range(4)]
    queue = TaskQueue([A, B])
    queue.settle(done(queue.take(), tuple(segments[1:])))
    for _ in range(2):
        gap = failed(queue.take(), stage=Stage.DECODE)
        assert gap.leaves_a_gap
        assert queue.settle(gap) is gap
    last = queue.take()
    assert last == Task(A, segments[3])
    queue.settle(failed(last, stage=Stage.DECODE))
    assert drain(queue) == [Task(B)]


def test_trouble_of_ours_leaves_no_gap():
    task = Task(A, SEGMENTS[1])
    assert not failed(task, FailureCode.STORAGE, Stage.DECODE).leaves_a_gap
    assert not failed(task, FailureCode.INTERNAL, Stage.DECODE).leaves_a_gap
    assert not failed(task, FailureCode.TRUNCATED, Stage.READ).leaves_a_gap
    assert not failed(Task(A), FailureCode.TRUNCATED, Stage.DECODE).leaves_a_gap


def test_segments_of_a_video_that_is_given_up_are_not_handed_out():
    queue = TaskQueue([A])
    queue.settle(done(queue.take(), SEGMENTS[1:]))
    queue.settle(failed(queue.take()))
    assert queue.take() is None
    assert queue.is_over


@pytest.mark.parametrize("code", sorted(set(FailureCode) - TRANSIENT - KILLERS))
def test_a_permanent_failure_is_final(code):
    queue = TaskQueue([A])
    failure = failed(queue.take(), code)
    assert queue.settle(failure) is failure
    assert queue.is_over
    assert not queue.retried


def test_a_transient_failure_is_tried_again_after_a_while(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(tasks, "time", clock)
    queue = TaskQueue([A], thumbnails=["a"], backoff_seconds=(5.0, 10.0))
    task = queue.take()
    for attempt, most_seconds in ((2, 5.0), (3, 10.0)):
        assert queue.settle(failed(task, FailureCode.STORAGE)) is None
        clock.advance(most_seconds / 2)
        assert queue.take() is None, "it waits"
        assert not queue.is_over
        clock.advance(most_seconds)
        task = queue.take()
        assert task == Task(A, attempt=attempt, wants_thumbnail=True)
    failure = failed(task, FailureCode.STORAGE)
    assert queue.settle(failure) is failure, "enough attempts"
    assert queue.is_over
    assert queue.retried == {"a"}


def test_others_go_on_while_one_waits():
    queue = TaskQueue([A, B], backoff_seconds=(60.0,))
    queue.settle(failed(queue.take(), FailureCode.STORAGE))
    assert queue.take() == Task(B)


def test_waits_grow():
    assert list(BACKOFF_SECONDS) == sorted(BACKOFF_SECONDS)
    assert TaskQueue([])._backoff_seconds == BACKOFF_SECONDS


@pytest.mark.parametrize("code", sorted(KILLERS))
def test_a_video_that_kills_its_worker_has_a_second_chance(code):
    queue = TaskQueue([A])
    assert queue.settle(failed(queue.take(), code)) is None
    second = queue.take()
    assert (second.attempt, second.kills) == (2, 1)
    failure = failed(second, code)
    assert queue.settle(failure) is failure
    assert queue.is_over
    assert queue.retried == {"a"}


def test_trouble_with_storage_does_not_use_up_the_second_chance():
    queue = TaskQueue([A], backoff_seconds=(0.0, 0.0))
    assert queue.settle(failed(queue.take(), FailureCode.STORAGE)) is None
    assert queue.settle(failed(queue.take(), FailureCode.WORKER_DIED)) is None
    failure = failed(queue.take(), FailureCode.WORKER_DIED)
    assert failure.task.attempt == 3
    assert queue.settle(failure) is failure


def test_a_task_that_is_given_back_comes_first_and_unchanged():
    queue = TaskQueue([A, B])
    first, second = queue.take(), queue.take()
    queue.give_back([first, second])
    assert not queue.is_over
    assert drain(queue) == [first, second]
    queue.settle(done(first))
    queue.settle(done(second))
    assert queue.is_over
    assert not queue.retried


def test_a_batch_holds_videos_that_nobody_has_looked_at():
    queue = TaskQueue([A, B])
    batch = queue.take_batch(8)
    assert [task.video for task in batch] == [A, B]
    assert queue.take_batch(8) == []
    assert not queue.is_over
    queue.give_back(batch)
    assert queue.take_batch(1) == batch[:1]


def test_segments_and_what_has_cost_a_worker_go_alone():
    queue = TaskQueue([A, B])
    queue.settle(done(queue.take(), SEGMENTS[1:]))
    assert [len(queue.take_batch(8)) for _ in range(3)] == [1, 1, 1]
    queue = TaskQueue([A, B])
    queue.settle(failed(queue.take(), FailureCode.WORKER_DIED))
    batches = [queue.take_batch(8), queue.take_batch(8)]
    assert sorted((task.video.id, task.kills) for (task,) in batches) == [("a", 1), ("b", 0)]


def test_a_task_given_back_after_its_video_was_given_up_is_dropped():
    queue = TaskQueue([A])
    queue.settle(done(queue.take(), SEGMENTS[1:]))
    second, third = queue.take(), queue.take()
    queue.settle(failed(second))
    queue.give_back([third])
    assert queue.take() is None
    assert queue.is_over


def test_tasks_and_outcomes_travel():
    outcome = failed(Task(A, SEGMENTS[1], 2, 1))
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_the_queue_of_one_task_travels_and_has_the_same_rules():
    task = Task(A, attempt=2, kills=1)
    queue = pickle.loads(pickle.dumps(TaskQueue([A, B], backoff_seconds=(0.0, 60.0)).queue_of))(task)
    assert queue.take() == task
    assert queue.take() is None
    assert queue.settle(failed(task, FailureCode.STORAGE)) is None
    assert queue.take() is None, "the second wait is long"
    assert not queue.is_over
    assert queue.retried == {"a"}


def test_keys_name_tasks_whatever_the_attempt():
    tasks = [Task(A), Task(A, attempt=2), Task(A, SEGMENTS[1]), Task(A, SEGMENTS[2]), Task(B)]
    assert len({task.key for task in tasks}) == 4
    assert tasks[0].key == tasks[1].key


def test_members_of_a_tar_know_how_far_those_after_them_in_the_batch_go():
    places = [("a", 512), ("a", 1536), ("a", 2560), ("b", 512), ("a", 9_000_000), ("a", 512)]
    videos = [Video(str(n), f"{tar}.tar#bytes={start}-{start + 99}") for n, (tar, start) in enumerate(places)]
    queue = TaskQueue([*videos, A])
    assert [task.read_until for task in queue.take_batch(8)] == [2660, 2660, 2660, 612, 9_000_100, 612, 0]
    queue = TaskQueue(videos[:2])
    assert [queue.take_batch(1)[0].read_until for _ in range(2)] == [612, 1636]


def test_a_queue_is_not_over_while_the_next_video_is_not_known():
    queue = TaskQueue(iter([Video("a", "a"), None, None, Video("b", "b")]))
    first = queue.take()
    assert first is not None
    assert queue.settle(Done(first, None)) is not None
    assert (queue.is_over, queue.take()) == (False, None)
    second = queue.take()
    assert second is not None
    assert second.video.id == "b"
    queue.settle(Done(second, None))
    assert queue.is_over

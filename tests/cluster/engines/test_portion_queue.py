import pickle
from dataclasses import dataclass

import pytest

from cluster.engines.base import EngineError, WorkerLoss
from cluster.engines.portion_queue import MAX_LOSSES, PortionQueue

LOSS = WorkerLoss("the process died: exit code 137")


@dataclass(frozen=True)
class Part:
    number: int

    @property
    def key(self) -> str:
        return str(self.number)


def queue_of(count: int) -> PortionQueue[Part, str]:
    return PortionQueue([Part(number) for number in range(count)])


def test_portions_are_handed_out_one_at_a_time_in_order():
    queue = queue_of(3)
    assert [queue.take_batch(128) for _ in range(4)] == [[Part(0)], [Part(1)], [Part(2)], []]
    assert not queue.is_over
    for number in range(3):
        assert queue.settle(f"scores of {number}") == f"scores of {number}"
    assert queue.is_over


def test_nothing_to_do_is_over_at_once():
    queue = queue_of(0)
    assert queue.is_over
    assert queue.take_batch(1) == []


def test_a_portion_that_is_given_back_comes_first():
    queue = queue_of(4)
    first, second = queue.take_batch(1), queue.take_batch(1)
    queue.give_back([*first, *second])
    assert [queue.take_batch(1) for _ in range(4)] == [[Part(number)] for number in range(4)]
    assert not queue.retried


def test_no_more_workers_are_useful_than_there_are_portions_without_an_outcome():
    queue = queue_of(3)
    assert [queue.useful_workers(available) for available in (1, 8)] == [1, 3]
    queue.take_batch(1)
    assert queue.useful_workers(8) == 3, "one is in flight, and may come back"
    queue.settle("scores")
    assert queue.useful_workers(8) == 2


def test_a_portion_whose_worker_is_lost_is_retried():
    queue = queue_of(2)
    assert queue.settle_lost(queue.take_batch(1), LOSS) == []
    assert queue.take_batch(1) == [Part(0)]
    assert queue.retried == {"0"}


def test_a_portion_that_keeps_losing_its_workers_ends_the_run_with_the_reason():
    queue = queue_of(2)
    for _ in range(MAX_LOSSES - 1):
        queue.settle_lost(queue.take_batch(1), LOSS)
    with pytest.raises(EngineError, match=r"portion 0 has lost its worker 5 times .*exit code 137\nWhat is committed"):
        queue.settle_lost(queue.take_batch(1), LOSS)


def test_the_queue_of_one_portion_travels():
    queue = pickle.loads(pickle.dumps(queue_of(3).queue_of))(Part(7))
    assert queue.take_batch(8) == [Part(7)]
    queue.settle("scores")
    assert queue.is_over

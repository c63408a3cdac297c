"""Real child processes that die, hang and raise."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engines import task_process
from cluster.engines.base import ONE_CORE, EngineError, WorkerLoss
from cluster.engines.pickled_file import PickledFile
from cluster.engines.task_process import TaskProcess
from tests.support.items import Answer, Item, ItemWorker


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TaskProcess]]:
    """Makes a process for a worker."""
    processes = []

    def make(*options: object) -> TaskProcess:
        worker = ItemWorker(*options)  # type: ignore[arg-type]
        file = PickledFile.write(f"{tmp_path}/worker", worker)
        processes.append(TaskProcess(file, worker.resources, worker.outcome_type))
        return processes[-1]

    yield make
    for process in processes:
        process.close()


def nothing() -> None:
    """Nothing is to be done meanwhile."""


def test_tasks_are_carried_out_in_one_other_process(start: Callable[..., TaskProcess]) -> None:
    process = start()
    first, second = (process.carry_out(Item(number), nothing) for number in (1, 2))
    assert (first.text, second.text) == ("1", "2")
    assert first.process == second.process != os.getpid()


def test_a_task_that_kills_its_process_is_a_loss_and_the_next_has_another(start: Callable[..., TaskProcess]) -> None:
    process = start()
    before = process.carry_out(Item(1), nothing)
    assert process.carry_out(Item(2, "die"), nothing) == WorkerLoss("its process died")
    after = process.carry_out(Item(3), nothing)
    assert after.text == "3"
    assert after.process != before.process


def test_a_task_that_hangs_is_ended(start: Callable[..., TaskProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_process, "GUARD_SECONDS", 0.5)
    process = start("answer", 0.5)
    assert process.carry_out(Item(1, "hang"), nothing) == WorkerLoss("its process died", exceeded_seconds=0.5)
    assert isinstance(process.carry_out(Item(2), nothing), Answer)


def test_an_answer_that_is_not_an_outcome_is_a_loss(tmp_path: Path) -> None:
    process = TaskProcess(PickledFile.write(f"{tmp_path}/worker", ItemWorker()), ONE_CORE, Item)
    with closing(process):
        loss = process.carry_out(Item(1), nothing)
    assert isinstance(loss, WorkerLoss)
    assert "not a packed" in loss.error


def test_an_exception_of_the_worker_ends_the_run(start: Callable[..., TaskProcess]) -> None:
    with pytest.raises(EngineError, match=r"(?s)a worker failed, through no fault of its input: .*no room for it"):
        start().carry_out(Item(1, "raise"), nothing)


@pytest.mark.parametrize(("action", "reason"), [("raise", "no room for it"), ("die", "its process died")])
def test_a_worker_that_cannot_start_ends_the_run(start: Callable[..., TaskProcess], action: str, reason: str) -> None:
    with pytest.raises(EngineError, match=rf"(?s)3 workers in a row could not start: .*{reason}"):
        start(action).carry_out(Item(1), nothing)


def test_whoever_waits_can_give_up(start: Callable[..., TaskProcess]) -> None:
    process = start()
    process.carry_out(Item(1), nothing)

    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        process.carry_out(Item(2, "hang"), give_up)
    assert process.carry_out(Item(3), nothing).text == "3"

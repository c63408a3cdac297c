"""What only the local engine does; the rest is in test_engines."""

import os
import tempfile
import threading
from dataclasses import dataclass

import pytest
import torch
from typing_extensions import override

from cluster.engines import task_process
from cluster.engines.base import ONE_CORE, Resources, Worker
from cluster.engines.local import LocalEngine
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.tasks import Failed, TaskQueue
from schemas.outcomes import FailureCode
from schemas.videos import Video
from tests.support.items import Item, ItemWorker, ScriptedWorker

THREADS = 3


@dataclass(frozen=True)
class Part:
    number: int

    @property
    def key(self) -> str:
        return str(self.number)


class ThreadNamer(Worker[Part, tuple[str, int]]):
    """Tells which thread a portion was carried out in, and how many threads torch had there."""

    def __init__(self) -> None:
        self._meeting = threading.Barrier(THREADS)

    @property
    @override
    def resources(self) -> Resources:
        return Resources(gpus=1, shares_process=True)

    @property
    @override
    def outcome_type(self) -> object:
        return tuple[str, int]

    @override
    def setup(self) -> None:
        torch.set_num_threads(1)

    @override
    def __call__(self, task: Part) -> tuple[str, int]:
        self._meeting.wait(timeout=60)  # passes only where as many portions are carried out at a time
        return threading.current_thread().name, torch.get_num_threads()


def test_a_worker_that_shares_its_process_has_a_thread_for_each_core():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = list(LocalEngine(THREADS).run(PortionQueue([Part(number) for number in range(6)]), ThreadNamer()))
        assert torch.get_num_threads() == 2, "as before"
    finally:
        torch.set_num_threads(before)
    assert len({name for name, _ in found}) == THREADS
    assert {threads for _, threads in found} == {1}


def test_others_have_one_process_for_one_task_after_the_other():
    found = list(LocalEngine().run(PortionQueue([Item(number) for number in range(6)]), ItemWorker()))
    assert [answer.text for answer in found] == ["0", "1", "2", "3", "4", "5"]
    assert len({answer.process for answer in found} - {os.getpid()}) == 1


def test_a_task_that_ends_its_process_costs_itself_alone():
    videos = [
        Video(name, uri) for name, uri in (("a", "segments 1"), ("b", "die 9"), ("c", "die 1"), ("d", "segments 2"))
    ]
    queue = TaskQueue(videos)
    outcomes = list(LocalEngine().run(queue, ScriptedWorker()))
    lost = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert [(failed.task.video.id, failed.code, failed.task.attempt) for failed in lost] == [
        ("b", FailureCode.WORKER_DIED, 2)
    ]
    assert sorted(outcome.task.video.id for outcome in outcomes if outcome not in lost) == ["a", "c", "d", "d"]
    assert (queue.workers_lost, queue.retried) == (3, {"b", "c"})


def test_a_task_that_hangs_outside_of_python_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(task_process, "GUARD_SECONDS", 0.5)
    queue = PortionQueue([Item(0), Item(1, "hang", mark=str(tmp_path / "mark")), Item(2)])
    found = list(LocalEngine().run(queue, ItemWorker("answer", time_limit_seconds=0.5)))
    assert sorted(answer.text for answer in found) == ["0", "1", "2"]
    assert queue.workers_lost == 1


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (answer,) = LocalEngine().run(PortionQueue([Item(0)]), ItemWorker())
    assert os.listdir(tmp_path) == []
    with pytest.raises(ProcessLookupError):
        os.kill(answer.process, 0)


@pytest.mark.parametrize(("resources", "expected"), [(ONE_CORE, 0), (Resources(gpus=1), torch.cuda.device_count())])
def test_gpus_count_for_workers_that_take_any(resources, expected):
    machine = LocalEngine().machine(resources)
    assert (machine.engine, machine.nodes, machine.gpus) == ("local", 1, expected)

"""What only the engine in this process does; the rest is in test_engines."""

import threading
from dataclasses import dataclass

import pytest
import torch
from typing_extensions import override

from cluster.engines.base import ONE_CORE, Resources, Worker
from cluster.engines.local import LocalEngine
from cluster.engines.portion_queue import PortionQueue

THREADS = 3


@dataclass(frozen=True)
class Part:
    number: int

    @property
    def key(self) -> str:
        return str(self.number)


class ThreadNamer(Worker[Part, tuple[str, int]]):
    """Tells which thread a portion was carried out in, and how many threads torch had there."""

    def __init__(self, *, shares_process: bool) -> None:
        self._shares_process = shares_process
        self._meeting = threading.Barrier(THREADS if shares_process else 1)

    @property
    @override
    def resources(self) -> Resources:
        return Resources(gpus=1, shares_process=self._shares_process)

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


def run(worker: ThreadNamer) -> list[tuple[str, int]]:
    return list(LocalEngine(THREADS).run(PortionQueue([Part(number) for number in range(6)]), worker))


def test_a_worker_that_shares_its_process_has_a_thread_for_each_core():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = run(ThreadNamer(shares_process=True))
        assert torch.get_num_threads() == 2, "as before"
    finally:
        torch.set_num_threads(before)
    assert len({name for name, _ in found}) == THREADS
    assert {threads for _, threads in found} == {1}


def test_others_are_called_one_task_after_the_other_in_the_calling_thread():
    before = torch.get_num_threads()
    try:
        found = run(ThreadNamer(shares_process=False))
    finally:
        torch.set_num_threads(before)
    assert found == [(threading.current_thread().name, 1)] * 6


@pytest.mark.parametrize(("resources", "expected"), [(ONE_CORE, 0), (Resources(gpus=1), torch.cuda.device_count())])
def test_gpus_count_for_workers_that_take_any(resources, expected):
    machine = LocalEngine().machine(resources)
    assert (machine.engine, machine.nodes, machine.gpus) == ("local", 1, expected)

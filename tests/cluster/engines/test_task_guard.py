"""The guard stops real work that really takes too much, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cluster.engines import task_guard
from cluster.engines.task_guard import LimitExceededError, TaskGuard, TimeExceededError, verdict_file, verdict_of
from cluster.engines.watchdog import Limit
from tests.support.dataset import ROOT

MIB = 1 << 20
FOR_EVER = 600.0
# A process of its own, so that memory that other tests have given back does not count.
HOARD = """
import sys, time
import numpy as np
from cluster.engines import task_guard
from cluster.engines.task_guard import MemoryExceededError, TaskGuard
task_guard.GRACE_SECONDS = 600.0
limit, hoard, step = (int(word) << 20 for word in sys.argv[1:])
held = []
print(task_guard.verdict_file(), flush=True)
try:
    with TaskGuard(limit, 600):
        while sum(block.nbytes for block in held) < hoard:
            held.append(np.ones(step, np.uint8))
            time.sleep(0.001)
        deadline = time.monotonic() + (60 if hoard > limit else 0.2)
        while time.monotonic() < deadline:
            time.sleep(0.001)
except MemoryExceededError:
    print("stopped at", sum(block.nbytes for block in held) >> 20)
"""
# Python's own functions call C with the interpreter released; those of `PyDLL` hold it.
HOLD = """
import contextlib, ctypes, sys
from cluster.engines.task_guard import TaskGuard, verdict_file
print(verdict_file(), flush=True)
held = b""
with TaskGuard(int(sys.argv[1]) << 20, float(sys.argv[2])):
    while True:
        with contextlib.suppress(BaseException):  # it may be stopped before it holds the interpreter
            held = held or b"x" * (int(sys.argv[3]) << 20)
            ctypes.PyDLL(None).sleep(600)
"""
FORK = """
import os, sys, time
from cluster.engines import task_guard
from cluster.engines.task_guard import TaskGuard, TimeExceededError
task_guard.GRACE_SECONDS = 600.0
with TaskGuard(1 << 30, 600):
    pass
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try:
    with TaskGuard(1 << 30, 0.1):
        while True:
            time.sleep(0.001)
except TimeExceededError:
    os._exit(7)
"""


def run(program: str, *arguments: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, timeout=300, capture_output=True, text=True)


def spin() -> None:
    """Never ends by itself."""
    while True:
        time.sleep(0.001)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late it stops, this process is not killed."""
    monkeypatch.setattr(task_guard, "GRACE_SECONDS", FOR_EVER)


def test_memory_beyond_the_limit_is_stopped() -> None:
    done = run(HOARD, 200, 350, 1)
    assert done.returncode == 0, done.stderr
    assert 190 <= int(done.stdout.split()[-1]) <= 350  # how far it gets until it is stopped, a busy machine decides


def test_memory_within_the_limit_is_left_alone() -> None:
    done = run(HOARD, 200, 100, 1)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)


def test_far_beyond_the_limit_the_process_ends() -> None:
    done = run(HOARD, 50, 600, 600)
    assert done.returncode == -signal.SIGKILL
    assert verdict_of(done.stdout.split()[0]) == Limit.MEMORY


@pytest.mark.usefixtures("patient")
def test_time_beyond_the_limit_is_stopped() -> None:
    with pytest.raises(TimeExceededError), TaskGuard(1000 * MIB, 0.2):
        spin()


@pytest.mark.parametrize(
    ("limit_mib", "limit_seconds", "held_mib", "limit"),
    [(1000, 0.3, 0, Limit.TIME), (50, FOR_EVER, 70, Limit.MEMORY), (50, FOR_EVER, 400, Limit.MEMORY)],
    ids=["time", "memory", "ceiling"],
)
def test_work_that_holds_the_interpreter_ends_with_its_process(
    limit_mib: int, limit_seconds: float, held_mib: int, limit: Limit
) -> None:
    started = time.monotonic()
    done = run(HOLD, limit_mib, limit_seconds, held_mib)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert time.monotonic() - started < 300  # it would hold it for 600
    file = done.stdout.strip()
    assert verdict_of(file) == limit
    assert verdict_of(file) is None, "it tells once"
    assert not Path(file).exists()


@pytest.mark.usefixtures("patient")
def test_the_exception_does_not_outlive_the_guard() -> None:
    stopped = 0
    for number in range(40):
        try:
            with TaskGuard(1000 * MIB, 0.03):
                time.sleep(0.02 + number * 0.001)  # ends about when the watchdog speaks
        except LimitExceededError:
            stopped += 1
    np.ones(10).sum()
    time.sleep(0.1)
    assert stopped > 0


@pytest.mark.usefixtures("patient")
def test_guards_of_a_process_share_a_watchdog_that_is_replaced_when_it_dies() -> None:
    def watchdog() -> int:
        return task_guard._watcher_of(os.getpid())._watchdog.pid

    with TaskGuard(1000 * MIB, FOR_EVER), TaskGuard(1000 * MIB, FOR_EVER):
        first = watchdog()
    with suppress(TimeExceededError), TaskGuard(1000 * MIB, 3.0):
        os.kill(first, signal.SIGKILL)
        spin()
    assert watchdog() != first


def test_a_forked_process_has_a_watchdog_of_its_own() -> None:
    assert run(FORK).returncode == 7


def test_a_process_that_was_not_killed_has_no_verdict(tmp_path: Path) -> None:
    assert verdict_of(verdict_file()) is None
    (tmp_path / "verdict").write_text("guilty")
    assert verdict_of(str(tmp_path / "verdict")) is None

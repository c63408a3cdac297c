"""The guard stops real work that really takes too much, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from cluster.engines import task_guard
from cluster.engines.task_guard import EXIT_CODE, LimitExceededError, TaskGuard, TimeExceededError
from tests.support.clocks import LateClock
from tests.support.dataset import ROOT

MIB = 1 << 20
# A process of its own, so that memory that other tests have given back does not count.
HOARD = """
import sys, time
import numpy as np
from cluster.engines.task_guard import MemoryExceededError, TaskGuard
limit, hoard, step = (int(word) << 20 for word in sys.argv[1:])
held = []
try:
    with TaskGuard(limit, 60):
        while sum(block.nbytes for block in held) < hoard:
            held.append(np.ones(step, np.uint8))
            time.sleep(0.001)
        deadline = time.monotonic() + (60 if hoard > limit else 0.2)
        while time.monotonic() < deadline:
            time.sleep(0.001)
except MemoryExceededError:
    print("stopped at", sum(block.nbytes for block in held) >> 20)
"""
STUCK = """
import time
from cluster.engines.task_guard import TaskGuard
with TaskGuard(1 << 30, 0.2):
    time.sleep(200)
"""


def hoard(limit: int, amount: int, step: int) -> subprocess.CompletedProcess[str]:
    """Hold `amount` MiB in steps, guarded by `limit` MiB."""
    command = [sys.executable, "-c", HOARD, str(limit), str(amount), str(step)]
    return subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True)


def spin() -> None:
    """Never ends by itself."""
    while True:
        time.sleep(0.001)


def test_memory_beyond_the_limit_is_stopped() -> None:
    done = hoard(200, 350, 1)
    assert done.returncode == 0, done.stderr
    assert 190 <= int(done.stdout.split()[-1]) <= 350  # how far it gets until it is stopped, a busy machine decides


def test_memory_within_the_limit_is_left_alone() -> None:
    done = hoard(200, 100, 1)
    assert (done.returncode, done.stdout) == (0, "")


def test_far_beyond_the_limit_the_process_ends() -> None:
    assert hoard(50, 600, 600).returncode == EXIT_CODE


def test_time_beyond_the_limit_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_guard, "time", LateClock(4.0))
    with pytest.raises(TimeExceededError), TaskGuard(1000 * MIB, 3.0):
        spin()


def test_far_beyond_the_time_limit_the_process_ends() -> None:
    command = [sys.executable, "-c", STUCK]
    assert subprocess.run(command, cwd=ROOT, timeout=300, capture_output=True).returncode == EXIT_CODE


def test_the_exception_does_not_outlive_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        # Real time would be late on a busy machine, and twice the limit would end this process.
        monkeypatch.setattr(task_guard, "time", LateClock(1.5))
        with suppress(LimitExceededError), TaskGuard(1000 * MIB, 1.0):
            time.sleep(0.015 + number * 0.0005)  # ends about when the watcher looks
    np.ones(10).sum()
    time.sleep(0.1)

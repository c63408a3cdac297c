"""The guard stops real work that really takes too much, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from cluster.engines.task_guard import EXIT_CODE, LimitExceededError, TaskGuard, TimeExceededError
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
        time.sleep(1)
except MemoryExceededError:
    print("stopped at", sum(block.nbytes for block in held) >> 20)
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
    assert 190 <= int(done.stdout.split()[-1]) < 350


def test_memory_within_the_limit_is_left_alone() -> None:
    done = hoard(200, 100, 1)
    assert (done.returncode, done.stdout) == (0, "")


def test_far_beyond_the_limit_the_process_ends() -> None:
    assert hoard(50, 600, 600).returncode == EXIT_CODE


def test_time_beyond_the_limit_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(TimeExceededError), TaskGuard(1000 * MIB, 3.0):
        spin()
    assert time.monotonic() - started < 30


def test_the_exception_does_not_outlive_the_guard() -> None:
    stopped = 0
    for number in range(8):
        try:
            with TaskGuard(1000 * MIB, 1.5):  # a busy machine must not take twice as long: that would end this process
                time.sleep(1.46 + number * 0.01)  # ends about when the watcher looks
        except LimitExceededError:
            stopped += 1
    np.ones(10).sum()
    time.sleep(0.1)
    assert stopped < 8

"""The guard stops real work that really holds too much, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from cluster.memory_guard import EXIT_CODE, MemoryGuard, MemoryLimitExceededError
from tests.dataset import ROOT

MIB = 1 << 20


def hoard(mebibytes: int, seconds: float = 5.0) -> None:
    """Hold memory, in small steps, until stopped."""
    held = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if len(held) < mebibytes:
            held.append(np.ones(MIB, np.uint8))
        time.sleep(0.001)


def test_work_beyond_the_limit_is_stopped() -> None:
    with pytest.raises(MemoryLimitExceededError), MemoryGuard(60 * MIB):
        hoard(90)


def test_work_within_the_limit_is_left_alone() -> None:
    with MemoryGuard(200 * MIB):
        hoard(50, seconds=0.3)


def test_the_exception_does_not_outlive_the_guard() -> None:
    for _ in range(20):
        try:
            with MemoryGuard(10 * MIB):
                held = np.ones(15 * MIB, np.uint8)
                time.sleep(0.019 + held[0] * 0.001)  # ends about when the watcher looks
        except MemoryLimitExceededError:
            continue
    time.sleep(0.1)


def test_far_beyond_the_limit_the_process_ends() -> None:
    code = (
        "import numpy as np, time\n"
        "from cluster.memory_guard import MemoryGuard\n"
        f"with MemoryGuard({50 * MIB}):\n"
        f"    held = np.ones({300 * MIB}, np.uint8); time.sleep(5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
    assert done.returncode == EXIT_CODE

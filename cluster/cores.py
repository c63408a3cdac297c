"""How many CPU cores this process may use, which can be fewer than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds in every so many, or `max`


def usable_cores() -> int:
    """Those that it is bound to, and no more than a container's limit, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _limit() or cores)


def _limit() -> int | None:
    try:
        granted, _, period = CPU_LIMIT.read_text().partition(" ")
        return max(-(-int(granted) // int(period)), 1)
    except (OSError, ValueError, ZeroDivisionError):
        return None

"""Measurements that benchmarks share: CPU seconds of contenders that take turns, and the memory of a job's processes.

Medians of alternating runs, because a machine's speed drifts; CPU seconds are user + system of all threads of this
process. A job's processes are found by a variable in their environment, which Ray's daemons and workers inherit.
"""

from __future__ import annotations

import json
import math
import os
import resource
import secrets
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
MARKER = "FRAMEMILL_BENCHMARK"


def alternating_cpu_seconds(
    contenders: Mapping[str, Callable[[], Result]], repeats: int
) -> tuple[dict[str, float], dict[str, Result]]:
    """Median CPU seconds and results of each contender, after one warm-up run of all."""
    results = {name: contender() for name, contender in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            started = time.process_time()
            contender()
            seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


def geometric_mean(ratios: Iterable[float]) -> float:
    """exp of the mean logarithm."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def write_json(path: Path | None, result: object) -> None:
    """Write `result` to `path`, if given."""
    if path is not None:
        path.write_text(json.dumps(result, indent=2) + "\n")


class ProcessGroup:
    """Samples the memory of all processes whose environment has the marker with the value `token`, until closed.

    `peak_pss_bytes` is the largest sum of their proportional set sizes: memory that several share, such as Ray's object
    store, counts once. Each sample costs some 40 ms of a core, because the kernel visits all their pages.
    `samples` are the CPU seconds of all of them so far, those that have ended included, by the time of the sample.
    """

    def __init__(self, token: str, interval_seconds: float) -> None:
        self.peak_pss_bytes = 0
        self.samples: list[tuple[float, float]] = []
        self._cpu_seconds: dict[str, float] = {}  # by process
        self._interval_seconds = interval_seconds
        self._marker = f"{MARKER}={token}".encode()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> ProcessGroup:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def cpu_seconds(self) -> float:
        """Of all of them by now."""
        self._cpu_seconds |= {process.name: cpu_seconds(process) for process in self.members()}
        return sum(self._cpu_seconds.values())

    def _sample(self) -> None:
        while not self._is_over.wait(self._interval_seconds):
            self.peak_pss_bytes = max(self.peak_pss_bytes, sum(map(pss_bytes, self.members())))
            self.samples.append((time.time(), self.cpu_seconds()))

    def members(self) -> list[Path]:
        """The processes, as folders of `/proc`."""
        return [
            process
            for process in Path("/proc").iterdir()
            if process.name.isdigit() and self._marker in _read(process / "environ").split(b"\0")
        ]


@dataclass(frozen=True)
class CommandRun:
    """One run of a command: seconds by the clock, CPU seconds and peak memory of all its processes."""

    wall_seconds: float
    cpu_seconds: float
    peak_pss_bytes: int


def run_command(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], interval_seconds: float
) -> CommandRun:
    """Run `command` in `folder` to its end. Raises `CalledProcessError` if it fails.

    The CPU seconds are those of the processes that have been waited for, or of the samples where these are more:
    daemons are waited for by nobody, and a sample misses the last interval.
    """
    token = secrets.token_hex(8)
    waited, started = _waited_seconds(), time.monotonic()
    with ProcessGroup(token, interval_seconds) as group:
        subprocess.run(command, cwd=folder, env={**environment, MARKER: token}, check=True)
        wall_seconds = time.monotonic() - started
        sampled = group.cpu_seconds()
    return CommandRun(wall_seconds, max(sampled, _waited_seconds() - waited), group.peak_pss_bytes)


def _waited_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pss_bytes(process: Path) -> int:
    """Proportional set size of the process at `/proc/PID`; 0 once it is gone."""
    for line in _read(process / "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) << 10
    return 0


def cpu_seconds(process: Path) -> float:
    """CPU seconds of the process at `/proc/PID`, without its children; 0 once it is gone."""
    fields = _read(process / "stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # processes come and go
        return b""


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))

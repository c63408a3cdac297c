"""The program: what it says, when it kills, and that it ends with the process that it watches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.engines import watchdog
from cluster.engines.watchdog import Limits, Memory
from tests.support.dataset import ROOT

FOR_EVER = 1e9
# A process that has itself watched, with a grace of no time.
VICTIM = """
import os, subprocess, sys, time
from cluster.engines import watchdog
verdict_file, deadline, memory, ceiling = sys.argv[1:]
command = watchdog.command(os.getpid(), verdict_file)
process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
process.stdin.write(f"0 {time.monotonic() + float(deadline)} {memory} {ceiling} 0.0\\n")
process.stdin.flush()
time.sleep(600)
"""

Dog = subprocess.Popen[str]


def start(process: int, verdict_file: Path) -> Dog:
    command = watchdog.command(process, str(verdict_file))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


@pytest.fixture
def dog(tmp_path: Path) -> Iterator[Dog]:
    """It watches this process, which has all the time to stop."""
    with start(os.getpid(), tmp_path / "verdict") as dog:
        yield dog
        assert dog.stdin is not None
        dog.stdin.close()
        assert dog.wait() == 0, "it has ended with the process"
    assert not (tmp_path / "verdict").exists()


def tell(dog: Dog, *words: float) -> None:
    assert dog.stdin is not None
    dog.stdin.write(" ".join(map(str, words)) + "\n")


def heard(dog: Dog) -> str:
    assert dog.stdout is not None
    return dog.stdout.readline().strip()


def test_it_names_the_task_and_the_limit_once(dog: Dog) -> None:
    late, early, large, small = time.monotonic(), time.monotonic() + FOR_EVER, 1 << 50, 1 << 10
    tell(dog, *Limits(1, early, large, large, FOR_EVER))
    tell(dog, *Limits(2, late, large, large, FOR_EVER))
    assert heard(dog) == "2 time"
    tell(dog, *Limits(3, late, small, large, FOR_EVER))
    assert heard(dog) == "3 memory"
    tell(dog, 2)
    tell(dog, *Limits(4, late, large, large, FOR_EVER))
    assert heard(dog) == "4 time"


def test_a_task_that_has_ended_is_watched_no_more(dog: Dog) -> None:
    assert dog.stdin is not None
    ended = Limits(1, time.monotonic(), 1 << 50, 1 << 50, FOR_EVER)
    dog.stdin.write("".join(f"{' '.join(map(str, words))}\n" for words in (ended, (1,), ended._replace(number=2))))
    assert heard(dog) == "2 time"


@pytest.mark.parametrize(
    ("deadline", "memory", "ceiling", "verdict"),
    [(0.0, 1 << 50, 1 << 50, "time"), (FOR_EVER, 1 << 10, 1 << 50, "memory"), (FOR_EVER, 1 << 10, 1 << 10, "memory")],
)
def test_it_kills_and_says_why(deadline: float, memory: int, ceiling: int, verdict: str, tmp_path: Path) -> None:
    file = tmp_path / "verdict"
    command = [sys.executable, "-c", VICTIM, str(file), *map(str, (deadline, memory, ceiling))]
    assert subprocess.run(command, cwd=ROOT, timeout=300).returncode == -signal.SIGKILL
    assert file.read_text() == verdict


def test_only_its_parent_is_watched(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        dog = start(other.pid, tmp_path / "verdict")
        dog.communicate(" ".join(map(str, Limits(1, 0.0, 0, 0, 0.0))) + "\n", timeout=300)
        assert dog.returncode == 0
        assert other.poll() is None
        other.communicate(b"\n")
    assert other.returncode == 0


def test_memory_is_what_the_process_alone_holds() -> None:
    program = "print(flush=True); input(); held = b'x' * (64 << 20); print(flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        memory = Memory(other.pid)
        before = memory.private_bytes()
        print(file=other.stdin, flush=True)
        other.stdout.readline()
        assert memory.private_bytes() - before + (1 << 20) >= 64 << 20
        other.communicate("\n")

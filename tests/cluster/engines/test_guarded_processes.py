"""Children that die, hang or answer nonsense are replaced, and every request has one outcome."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engines.guarded_processes import GuardedProcesses, Outcome, ProcessFailure, Request, Response
from tests.support.clusters import command_of, descendants

CHILD = "tests.support.guarded_child"
ROOT = Path(__file__).parents[3]
OWNER = f"""
import sys, time
from cluster.engines.guarded_processes import GuardedProcesses, Request
processes = GuardedProcesses("{CHILD}", 1)
processes.send(Request("a", b"hello", 60, 100))
while processes.pending:
    for _, response in processes.receive():
        print(response.header["pid"], flush=True)
time.sleep(60)
"""


def request(content: str, limit_seconds: float = 60.0) -> Request[str]:
    return Request(content, content.encode(), limit_seconds, 100)


def outcomes(processes: GuardedProcesses[str], *requests: Request[str]) -> dict[str, Outcome]:
    """The outcomes of requests, by their contents."""
    waiting, found = list(requests), {}
    while waiting or processes.pending:
        while waiting and processes.has_room:
            processes.send(waiting.pop(0))
        found |= dict(processes.receive())
    return found


def children() -> list[int]:
    return [pid for pid in descendants(os.getpid()) if CHILD in command_of(pid)]


@pytest.fixture
def pair() -> Iterator[GuardedProcesses[str]]:
    """Two processes that hold two requests each."""
    with closing(GuardedProcesses[str](CHILD, 2, depth=2)) as processes:
        yield processes


def test_requests_are_spread_over_the_processes(pair: GuardedProcesses[str]) -> None:
    assert not children()
    assert pair.has_room
    names = [f"sleep 0.0{number}" for number in range(4)]
    for name in names:
        pair.send(request(name))
    assert (pair.pending, pair.has_room) == (4, False)
    found = outcomes(pair)
    assert {name: outcome.payload for name, outcome in found.items() if isinstance(outcome, Response)} == {
        name: name.encode() for name in names
    }
    headers = [outcome.header for outcome in found.values() if isinstance(outcome, Response)]
    assert len({header["pid"] for header in headers}) == 2
    assert {header["threads"] for header in headers} == {"1"}
    assert pair.receive() == []


def test_a_process_that_dies_is_replaced_and_its_queue_kept(pair: GuardedProcesses[str]) -> None:
    found = outcomes(pair, *map(request, ("die", "sleep 0.2", "a", "b", "c")))
    assert found.pop("die") is ProcessFailure.DIED
    assert {name for name, outcome in found.items() if isinstance(outcome, Response)} == {"sleep 0.2", "a", "b", "c"}
    assert len(children()) == 2


def test_a_process_that_hangs_is_killed_at_the_limit(pair: GuardedProcesses[str]) -> None:
    outcomes(pair, request("a"), request("b"))  # started
    started = time.monotonic()
    found = outcomes(pair, request("hang", 0.5), request("a"), request("b"), request("c"))
    assert time.monotonic() - started < 300  # it would hang for 600
    assert found.pop("hang") is ProcessFailure.HUNG
    assert all(isinstance(outcome, Response) for outcome in found.values())


@pytest.mark.parametrize(
    ("limit", "failure"), [("time", ProcessFailure.HUNG), ("memory", ProcessFailure.OUT_OF_MEMORY)]
)
def test_a_process_that_its_watchdog_has_killed_has_failed_for_that_reason(
    pair: GuardedProcesses[str], limit: str, failure: ProcessFailure
) -> None:
    found = outcomes(pair, *map(request, (f"exceed {limit}", "a", "die")))
    assert found[f"exceed {limit}"] is failure
    assert found["die"] is ProcessFailure.DIED
    assert isinstance(found["a"], Response)


def test_the_limit_counts_from_the_start_of_a_request(pair: GuardedProcesses[str]) -> None:
    outcomes(pair, request("a"), request("b"))
    found = outcomes(pair, *(request(f"sleep 2.{number}", 4.0) for number in range(4)))  # two for each process
    assert all(isinstance(outcome, Response) for outcome in found.values())


def test_requests_that_take_longer_together_than_they_may_have_no_outcome(pair: GuardedProcesses[str]) -> None:
    outcomes(pair, request("a"), request("b"))  # started
    names = ["c", "sleep 0.1", "die", "d"]
    assert dict(pair.outcomes(map(request, names), 60.0)).keys() == set(names)
    started = time.monotonic()
    assert "hang" not in dict(pair.outcomes(map(request, ("hang", "e", "hang", "f")), 2.0))
    assert 2 <= time.monotonic() - started < 30


@pytest.mark.parametrize("content", ["list", "large 101"])
def test_a_process_with_an_invalid_response_is_replaced(pair: GuardedProcesses[str], content: str) -> None:
    found = outcomes(pair, request(content), request("a"))
    assert found[content] is ProcessFailure.DIED
    assert isinstance(found["a"], Response)


def test_a_payload_may_have_the_largest_size(pair: GuardedProcesses[str]) -> None:
    (outcome,) = outcomes(pair, request("large 100")).values()
    assert isinstance(outcome, Response)
    assert outcome.payload == bytes(100)


def test_a_process_killed_between_requests_is_replaced(pair: GuardedProcesses[str]) -> None:
    outcomes(pair, request("a"), request("b"))
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    found = outcomes(pair, request("c"), request("d"), request("e"))
    assert sorted(outcome is ProcessFailure.DIED for outcome in found.values()) == [False, True, True]


@pytest.mark.parametrize("is_silent", [False, True])
def test_output_is_discarded_where_asked(capfd: pytest.CaptureFixture[str], is_silent: bool) -> None:
    with closing(GuardedProcesses[str](CHILD, 1, is_silent=is_silent)) as processes:
        outcomes(processes, request("print"))
    assert capfd.readouterr() == (("", "") if is_silent else ("printed\n", "an error\n"))


def test_closed_processes_are_gone_and_may_start_again(pair: GuardedProcesses[str]) -> None:
    outcomes(pair, request("a"))
    assert len(children()) == 2
    pair.close()
    assert not children()
    assert isinstance(outcomes(pair, request("a"))["a"], Response)


def test_children_end_with_a_killed_owner() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert owner.stdout is not None
    child = int(owner.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 120
    while Path(f"/proc/{child}/cmdline").exists() and Path(f"/proc/{child}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)

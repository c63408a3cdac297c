"""Supervised child processes: started, sent requests, watched, and killed and replaced when they hang or die.

In: `Request`s. Out: for each a `Response`, or the `ProcessFailure` that took its process.

Decoders run in processes because a thread that hangs or crashes in native code cannot be stopped. A child runs
`python -m MODULE FD IMPORTS…`, whose main calls `serve`. It guards its work itself (`cluster.engines.task_guard`): its
watchdog kills it when it exceeds a limit and does not stop. Where that fails as well, it is killed here. It ends when
its parent is gone.

Hostile files may take a child over, so its answers are not trusted: a response is a JSON header and a payload of
limited size, never a pickle.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from cluster.engines.task_guard import verdict_file, verdict_of
from cluster.engines.watchdog import Limit
from cluster.runs.logs import configure_worker_logging
from schemas import strict_json

POLL_SECONDS = 1.0
# Until a child has imported its module, which its first request's limit does not include; long on a crowded machine.
START_SECONDS = 300.0
STALL_SECONDS = 60  # within a message, after which its process counts as dead
MAX_HEADER_BYTES = 64 << 10
READY = b"ready "  # how the first message of a child begins; its verdict file follows
NOT_A_RESPONSE = (EOFError, OSError, ValueError)

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Request(Generic[K]):
    """A request to a child.

    key                the caller's; it stays in this process
    limit_seconds      time for the response, from when the process gets to the request
    max_payload_bytes  largest payload of the response
    """

    key: K
    content: bytes
    limit_seconds: float
    max_payload_bytes: int


@dataclass(frozen=True, slots=True)
class Response:
    """What a child answers: a JSON object, and bytes."""

    header: Mapping[str, Any]
    payload: bytes | memoryview = b""


class ProcessFailure(Enum):
    """What happened to a process while it worked on a request: the limit for which it was killed, if for any."""

    DIED = None
    HUNG = Limit.TIME
    OUT_OF_MEMORY = Limit.MEMORY


Outcome = Response | ProcessFailure


class GuardedProcesses(Generic[K]):
    """`count` processes that run `module`; each holds up to `depth` requests, the first of them in work.

    They start with the first request, or before. `is_silent` discards what they write to stdout and stderr. GPUs are
    hidden from them unless `sees_gpus`: decoding must not take GPU memory. `imports` are modules that they will need:
    imported while they wait for that request.
    """

    def __init__(
        self,
        module: str,
        count: int,
        *,
        depth: int = 1,
        is_silent: bool = False,
        sees_gpus: bool = False,
        imports: Sequence[str] = (),
    ) -> None:
        self._module, self._count, self._depth, self._is_silent = module, count, depth, is_silent
        self._hidden = {} if sees_gpus else {"CUDA_VISIBLE_DEVICES": ""}
        self._imports = tuple(imports)
        self._processes: list[_Process[K]] = []

    @property
    def has_room(self) -> bool:
        """Whether a process can take another request."""
        return len(self._processes) < self._count or len(self._least_busy().requests) < self._depth

    @property
    def pending(self) -> int:
        """Number of requests without an outcome."""
        return sum(len(process.requests) for process in self._processes)

    def start(self) -> None:
        """Start those processes that do not run."""
        while len(self._processes) < self._count:
            self._processes.append(self._start())

    def send(self, request: Request[K]) -> None:
        """Give a request to the least busy process."""
        self.start()
        self._least_busy().send(request)

    def receive(self, timeout_seconds: float = POLL_SECONDS) -> list[tuple[K, Outcome]]:
        """The outcomes of the next requests, by their keys; empty if there are none within `timeout_seconds`."""
        busy = {process.connection: process for process in self._processes if process.requests}
        outcomes: list[tuple[K, Outcome]] = []
        timeout_seconds = min([timeout_seconds, *(process.seconds_left for process in busy.values())])
        for connection in wait(list(busy), timeout_seconds) if busy else []:
            assert isinstance(connection, Connection)
            process = busy.pop(connection)
            try:
                outcomes += process.receive()
            except NOT_A_RESPONSE:
                outcomes.append(self._replace(process, ProcessFailure.DIED))
        overdue = [process for process in busy.values() if process.seconds_left <= 0]
        return outcomes + [self._replace(process, ProcessFailure.HUNG) for process in overdue]

    def outcomes(self, requests: Iterable[Request[K]], total_seconds: float) -> Iterator[tuple[K, Outcome]]:
        """The outcomes of requests by their keys, as they come; those that take longer together have none.

        The caller closes the processes then: some may still be at work.
        """
        waiting = deque(requests)
        deadline = time.monotonic() + total_seconds
        while (waiting or self.pending) and time.monotonic() < deadline:
            while waiting and self.has_room:
                self.send(waiting.popleft())
            yield from self.receive(min(POLL_SECONDS, max(deadline - time.monotonic(), 0)))

    def close(self) -> None:
        """Kill the processes; the next request would start new ones."""
        for process in self._processes:
            process.kill()
        self._processes.clear()

    def _least_busy(self) -> _Process[K]:
        return min(self._processes, key=lambda process: len(process.requests))

    def _replace(self, process: _Process[K], failure: ProcessFailure) -> tuple[K, Outcome]:
        """Kill a process and start another one, which gets the requests that waited behind the failed one.

        A process whose watchdog has killed it has failed for that reason.
        """
        process.kill()
        if exceeded := verdict_of(process.verdict_file):
            failure = ProcessFailure(exceeded)
        successor = self._start()
        self._processes[self._processes.index(process)] = successor
        failed = process.requests.popleft()
        for request in process.requests:
            successor.send(request)
        return failed.key, failure

    def _start(self) -> _Process[K]:
        ours, theirs = socket.socketpair()
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALL_SECONDS, 0))
        output = subprocess.DEVNULL if self._is_silent else None
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - this program's own modules
                [sys.executable, "-m", self._module, str(theirs.fileno()), *self._imports],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "OMP_NUM_THREADS": "1",  # there is a process for each core already
                    **self._hidden,
                },
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
        return _Process(process, Connection(ours.detach()))


def serve(answer: Callable[[bytes], Response]) -> None:
    """Answer requests until the parent is gone; to be called as the main program of a child."""
    configure_worker_logging()
    connection = Connection(int(sys.argv[1]))
    for name in sys.argv[2:]:
        with suppress(Exception):  # whoever needs it will say so
            import_module(name)
    with suppress(EOFError, OSError):
        connection.send_bytes(READY + verdict_file().encode())
        while True:
            response = answer(connection.recv_bytes())
            connection.send_bytes(json.dumps(response.header).encode())
            connection.send_bytes(response.payload)


@dataclass(eq=False)
class _Process(Generic[K]):
    """A child and its requests, in order; it has started up, or worked on the first one, since `started_at`."""

    process: subprocess.Popen[bytes]
    connection: Connection
    requests: deque[Request[K]] = field(default_factory=deque)
    verdict_file: str = ""
    started_at: float = 0.0

    @property
    def is_ready(self) -> bool:
        return bool(self.verdict_file)

    @property
    def seconds_left(self) -> float:
        """Until it is overdue."""
        limit_seconds = self.requests[0].limit_seconds if self.is_ready else START_SECONDS
        return max(self.started_at + limit_seconds - time.monotonic(), 0.0)

    def send(self, request: Request[K]) -> None:
        if not self.requests:
            self.started_at = time.monotonic()
        self.requests.append(request)
        with suppress(OSError):  # it has died, which `receive` will find
            self.connection.send_bytes(request.content)

    def receive(self) -> list[tuple[K, Response]]:
        """The response to the first request; none if the child only got ready. Raises one of `NOT_A_RESPONSE`."""
        message = self.connection.recv_bytes(MAX_HEADER_BYTES)
        if not self.is_ready:
            if not message.startswith(READY):
                raise ValueError("its first message is not that it is ready")
            self.verdict_file, self.started_at = message.removeprefix(READY).decode(), time.monotonic()
            return []
        header = strict_json.parse(message)
        if not isinstance(header, dict):
            raise ValueError("the header is not a JSON object")
        payload = self.connection.recv_bytes(self.requests[0].max_payload_bytes)
        self.started_at = time.monotonic()
        return [(self.requests.popleft().key, Response(header, payload))]

    def kill(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

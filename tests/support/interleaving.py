"""Threads that take turns as a test says: each stops before every operation until it is told to go on.

In: pieces of work, and code under test that calls `before_operation` before each of its operations. Out: every order
that a test wants to try, always in the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

HANGS_AFTER_SECONDS = 120.0


class KilledError(BaseException):
    """Ends the thread of a process that was killed."""


class Actor:
    """A process that does `work` in a thread of its own, one operation after the other.

    error     what ended it, if it has ended with an exception
    at_write  whether the operation that it is at writes
    writes    how many such operations it has carried out
    """

    current = threading.local()

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.writes = 0
        self.has_ended = False
        self._work = work
        self._is_killed = False
        self.at_write = False
        self._stops_at_reads = True
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._await()

    def step(self) -> None:
        """Let it carry out the operation that it is at, and go on to the next one."""
        self.writes += self.at_write
        self._go.release()
        self._await()

    def run_to_write(self, number: int) -> None:
        """Go on until it has written `number` times, and is about to write again, or to its end."""
        self._stops_at_reads = False
        while not self.has_ended and not (self.at_write and self.writes >= number):
            self.step()

    def run_steps(self, number: int) -> None:
        """Carry out so many operations, or fewer where it ends before."""
        self._stops_at_reads = True
        while not self.has_ended and number:
            self.step()
            number -= 1

    def finish(self) -> None:
        """Go on to its end."""
        self._stops_at_reads = False
        while not self.has_ended:
            self.step()

    def kill(self) -> None:
        """End it before the operation that it is at."""
        self._is_killed = True
        self.finish()

    def _await(self) -> None:
        assert self._stopped.acquire(timeout=HANGS_AFTER_SECONDS), f"{self.name} hangs"

    def _run(self) -> None:
        Actor.current.actor = self
        try:
            self.before_operation(is_write=False)
            self._work()
        except BaseException as error:
            self.error = error
        self.has_ended = True
        self._stopped.release()

    def before_operation(self, *, is_write: bool) -> None:
        """Stop until told to go on."""
        if self._is_killed:
            raise KilledError
        if not is_write and not self._stops_at_reads:
            return
        self.at_write = is_write
        self._stopped.release()
        self._go.acquire()
        if self._is_killed:
            raise KilledError


def before_operation(is_write: bool, path: str) -> None:
    """To be called before each operation; stops nobody but actors."""
    actor = getattr(Actor.current, "actor", None)
    if actor is not None:
        actor.before_operation(is_write=is_write)

"""Clocks that tests set themselves, so that no verdict depends on how busy the machine is.

Each takes the place of the module `time` in a module that is tested.
"""

from __future__ import annotations

import time


class Clock:
    """Stands still but for `advance` and `sleep`, which take no time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Seconds, in a module that measures how long something takes."""
        return self.now

    time = monotonic

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    advance = sleep


class LateClock:
    """For guards: `late_seconds` have passed at the second reading and all later ones; sleeping takes its time."""

    sleep = staticmethod(time.sleep)

    def __init__(self, late_seconds: float) -> None:
        self._late_seconds = late_seconds
        self._is_read = False

    def monotonic(self) -> float:
        """0 at first."""
        was_read, self._is_read = self._is_read, True
        return self._late_seconds if was_read else 0.0

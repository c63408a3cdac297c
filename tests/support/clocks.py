"""Clocks that tests set themselves, so that no verdict depends on how busy the machine is.

Each takes the place of the module `time` in a module that is tested.
"""

from __future__ import annotations


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

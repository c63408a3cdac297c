"""The pace of a live view: when the frame of a second is due, and whether decoding keeps up.

In: the seconds of frames as they are decoded. Out: times of `time.monotonic` at which they are due.

- A file sets its own pace: second s is due s seconds after second 0, which is when the first frame was there.
- A stream sets the pace by what arrives. A frame is due as soon as it can be known; the points that a long frame covers
  follow at their distances. So second 0 is the earliest that any frame implies: a stall of the source makes the frames
  after it late, for a burst of old frames at the start the clock is moved. The clocks of the source and of this machine
  differ by some parts in a million, so that the earliest is forgotten at a rate of `DRIFT`.

Decoding falls behind where, for `BEHIND_SECONDS`, there was nothing to wait for: neither data nor the next due time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

DRIFT = 1e-3
BEHIND_SECONDS = 2.0
WAIT_SECONDS = 2e-3  # longer than it takes to read a packet that is there


class Pace:
    """`is_whole` for a file, which sets its own pace; `sleep` waits for so many seconds, or less."""

    def __init__(self, *, is_whole: bool, sleep: Callable[[float], object] = time.sleep) -> None:
        self.is_whole = is_whole
        self._sleep = sleep
        self._zero: float | None = None  # when second 0 is due
        self._met_at = self._waited_at = time.monotonic()

    @property
    def waited_at(self) -> float:
        """When there was last something to wait for."""
        return self._waited_at

    @property
    def is_behind(self) -> bool:
        """Whether decoding falls behind."""
        return time.monotonic() - self._waited_at > BEHIND_SECONDS

    def meet(self, seconds: float) -> None:
        """Note that the frame of `seconds` is there."""
        now = time.monotonic()
        if self._zero is None:
            self._zero = now - seconds
        elif not self.is_whole:
            self._zero = min(now - seconds, self._zero + DRIFT * (now - self._met_at))
        self._met_at = now

    def due(self, seconds: float) -> float:
        """When the frame of `seconds` is due."""
        return time.monotonic() if self._zero is None else self._zero + seconds

    def wait(self, seconds: float) -> None:
        """Wait until the frame of `seconds` is due."""
        left = self.due(seconds) - time.monotonic()
        if left > 0:
            self._sleep(left)
            self.waited()

    def waited(self) -> None:
        """Note that there was something to wait for, or that a new start was made."""
        self._waited_at = time.monotonic()

    def has_read(self, took_seconds: float) -> None:
        """Note how long the next packet of a stream took to come; a file's are there."""
        if not self.is_whole and took_seconds > WAIT_SECONDS:
            self.waited()

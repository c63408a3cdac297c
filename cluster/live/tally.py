"""What has happened in a live view so far: counts, rates and latencies, as facts for people and as values for programs.

The latency of a result is the time from the moment at which its latest frame was due.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from cluster.live.reader import ReadCounts
from schemas.text import counted

STALLED_SECONDS = 2.0  # without a result, after which that is said
RATE_RESULTS = 50  # of which the rate is taken


@dataclass
class Tally:
    """Counts results; `read` is what the reader counts.

    unit            what the network looks at: frames or clips
    stride_seconds  from one look to the next, about
    """

    read: ReadCounts
    unit: str
    stride_seconds: float
    results: int = 0
    seconds: float = 0.0  # of the latest result in the view
    latency_seconds: float = 0.0  # of the latest result
    longest_latency_seconds: float = 0.0
    _latency_sum: float = 0.0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_RESULTS))

    def add(self, seconds: float, latency_seconds: float) -> None:
        """Count a result that has just come."""
        self.results += 1
        self.seconds, self.latency_seconds = seconds, latency_seconds
        self.longest_latency_seconds = max(self.longest_latency_seconds, latency_seconds)
        self._latency_sum += latency_seconds
        self._times.append(time.monotonic())

    def facts(self) -> list[str]:
        """In the order of their interest."""
        read = self.read
        if not self._times:
            return [f"{counted(read.lacking, 'frame')} to the first clip" if read.lacking else "no frame yet"]
        facts = [clock_text(self.seconds), f"latency {_milliseconds(self.latency_seconds):,} ms"]
        waited = time.monotonic() - self._times[-1]
        if waited > max(STALLED_SECONDS, 2 * self.stride_seconds):
            facts.append(f"nothing for {waited:.0f} s")
        if len(self._times) > 1:
            facts.append(f"{(len(self._times) - 1) / (self._times[-1] - self._times[0]):.1f} {self.unit}/s")
        facts.append(f"{read.dropped:,} dropped")
        rare = {"not decoded": read.undecoded, "lost": read.lost, "× connected again": read.reconnects}
        return [*facts, *(f"{count:,} {what}" for what, count in rare.items() if count)]

    def values(self) -> dict[str, Any]:
        """The same for programs."""
        read = self.read
        return {
            "frames": read.frames,
            "unit": self.unit,
            "results": self.results,
            "dropped": read.dropped,
            "undecoded": read.undecoded,
            "lost": read.lost,
            "reconnects": read.reconnects,
            "mean_latency_ms": _milliseconds(self._latency_sum / max(self.results, 1)),
            "longest_latency_ms": _milliseconds(self.longest_latency_seconds),
        }

    def summary(self) -> list[str]:
        """For the end."""
        read, values = self.read, self.values()
        parts = [f"{counted(read.frames, 'frame')}, {self.results:,} {self.unit} looked at, {read.dropped:,} dropped"]
        if read.undecoded or read.lost:
            parts.append(f"{counted(read.undecoded, 'frame')} not decoded in time, {read.lost:,} lost")
        if self.results:
            longest = f"{values['longest_latency_ms']:,} ms at most"
            parts.append(f"latency {values['mean_latency_ms']:,} ms on average, {longest}")
        return [*parts, *([f"{read.reconnects:,} × connected again"] if read.reconnects else [])]


def clock_text(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)

"""The memory that a call takes at its peak, beyond what the process holds before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def memory_below(mebibytes: float) -> Iterator[None]:
    """Check that the context takes less memory than that at any time, also where it raises."""
    RESET.write_text("5")  # the peak begins anew
    before = _kibibytes("VmRSS")
    try:
        yield
    finally:
        taken = (_kibibytes("VmHWM") - before) / 1024
        assert taken < mebibytes, f"took {taken:.0f} MiB"


def _kibibytes(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))

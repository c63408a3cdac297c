"""The peak of this process's memory, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Growth:
    """`bytes` is by how much the peak exceeded what the process held before, mapped files included."""

    bytes = 0


@contextmanager
def memory_growth() -> Iterator[Growth]:
    """Measure the part of the program in the context, also where it raises."""
    growth = Growth()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what the process holds
    before = _status("VmRSS")
    try:
        yield growth
    finally:
        growth.bytes = _status("VmHWM") - before


@contextmanager
def memory_below(mebibytes: float) -> Iterator[None]:
    """Check that the context takes less memory than that at any time."""
    with memory_growth() as growth:
        yield
    assert growth.bytes < mebibytes * (1 << 20), f"took {growth.bytes >> 20} MiB"


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))

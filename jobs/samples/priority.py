"""The priority of a process, which an encoder may change.

SVT-AV1 gives the process that encodes with it real-time priority where it may, with everything that this process starts
later: nothing else runs any more on a machine that is busy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keeping_priority() -> Iterator[None]:
    """Restore the scheduling policy of this thread in the end."""
    if not hasattr(os, "sched_getscheduler"):  # only Linux has policies
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)

"""Settings of property tests: few examples, the same in every run; FUZZ_EXAMPLES asks for more, at random."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
FUZZ = settings(
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,  # machines may be busy
    suppress_health_check=[HealthCheck.too_slow],
)

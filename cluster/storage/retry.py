"""Retries of transient store failures, with exponential backoff and jitter."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cluster.storage.store_errors import StoreFailure, describe, store_failure_of

WARN_AFTER_SECONDS = 5.0

logger = logging.getLogger("framemill")
T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """Retries for `total_seconds` from the first attempt on.

    The wait between attempts is `first_seconds` at first and doubles up to `longest_seconds`.
    """

    total_seconds: float
    first_seconds: float = 0.5
    longest_seconds: float = 15.0

    def call(self, what: str, call: Callable[[], T]) -> T:
        """The result of `call`. Raises its exception if that is permanent, or lasts longer than `total_seconds`.

        `what` names the request in the log, which gets one line when the wait becomes long and one when it ends.
        """
        started = time.monotonic()
        wait_seconds = self.first_seconds
        has_warned = False
        while True:
            try:
                result = call()
            except Exception as error:
                spent = time.monotonic() - started
                if store_failure_of(error) is not StoreFailure.TRANSIENT or spent + wait_seconds > self.total_seconds:
                    raise
                if not has_warned and spent + wait_seconds > WARN_AFTER_SECONDS:
                    has_warned = True
                    logger.warning(f"retrying {what} for up to {self.total_seconds:g} s: {describe(error)}")
                time.sleep(wait_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - not for cryptography
                wait_seconds = min(2 * wait_seconds, self.longest_seconds)
            else:
                if has_warned:
                    logger.info(f"{what} is available again after {time.monotonic() - started:.0f} s")
                return result

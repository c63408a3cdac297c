"""Trying again what may pass: with waits that double, spread at random lest many workers come back at once."""

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
    """How long trouble is waited out: `total_seconds` from the first attempt on, between attempts `first_seconds` at
    first, doubling up to `longest_seconds`.
    """

    total_seconds: float
    first_seconds: float = 0.5
    longest_seconds: float = 15.0

    def call(self, what: str, call: Callable[[], T]) -> T:
        """The result of `call`. Raises its exception where that will not pass, or has not for `total_seconds`.

        `what` names it in the log, where one line says that somebody waits, and one that it is over.
        """
        started = time.monotonic()
        wait_seconds = self.first_seconds
        has_warned = False
        while True:
            try:
                result = call()
            except Exception as error:
                spent = time.monotonic() - started
                if store_failure_of(error) is not StoreFailure.PASSING or spent + wait_seconds > self.total_seconds:
                    raise
                if not has_warned and spent + wait_seconds > WARN_AFTER_SECONDS:
                    has_warned = True
                    logger.warning(f"waiting for {what}, for up to {self.total_seconds:g} s: {describe(error)}")
                time.sleep(wait_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - it keeps no secret
                wait_seconds = min(2 * wait_seconds, self.longest_seconds)
            else:
                if has_warned:
                    logger.info(f"{what}: it works again after {time.monotonic() - started:.0f} s")
                return result

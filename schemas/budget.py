"""What a file may take in memory: a shape, a length or a count in it is a claim, charged before anything is allocated.

The limit follows from what the file is for, such as the arrays of a network, or from the bytes that are there. A reader
spends its budget on each array, member or row group that a file declares, and only then reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

COPIES = 4  # of a network in a training's file: weights, two moments of the optimizer, a running average
VALUE_BYTES = 8
LARGEST_NETWORK = 1 << 27  # numbers; C3D has 80 million
COMPRESSION = 16  # numbers of trained networks hardly compress
LEAST_BYTES = 64 << 20  # that any file may take


class BudgetError(ValueError):
    """A file claims more than it may hold; the message says what, how much, the limit, its reason and the remedy."""


class Budget:
    """At most `limit_bytes`; the `reason` says why, and what to do."""

    def __init__(self, limit_bytes: int, reason: str) -> None:
        self.limit_bytes = limit_bytes
        self.reason = reason
        self.spent_bytes = 0

    def allow(self, what: str, claimed_bytes: int) -> None:
        """Raise `BudgetError` if `claimed_bytes` exceed the whole budget, whatever has been spent."""
        if claimed_bytes > self.limit_bytes:
            raise BudgetError(
                f"{what} claims {claimed_bytes:,} bytes, more than the {self.limit_bytes:,} allowed: {self.reason}"
            )

    def spend(self, what: str, claimed_bytes: int) -> None:
        """Charge `claimed_bytes`. Raises `BudgetError` if they exceed what is left."""
        self.allow(what, claimed_bytes)
        self.spent_bytes += claimed_bytes
        if self.spent_bytes > self.limit_bytes:
            raise BudgetError(
                f"up to {what}, it claims {self.spent_bytes:,} bytes, more than the {self.limit_bytes:,} allowed: "
                f"{self.reason}"
            )


class Network(Protocol):
    """A module of torch."""

    def state_dict(self) -> Mapping[str, Any]:
        """Its tensors by name."""


def weights_budget(network: Network | None = None) -> Budget:
    """For a file with weights of `network`, or of any network: its numbers, up to `COPIES` times."""
    values = LARGEST_NETWORK if network is None else sum(value.numel() for value in network.state_dict().values())
    whose = "the largest network" if network is None else type(network).__name__
    return Budget(
        max(LEAST_BYTES, values * VALUE_BYTES * COPIES),
        f"{whose} has {values:,} numbers; bring the published file, or save its state dict alone, without compression",
    )


def unpacked_budget(file_bytes: int) -> Budget:
    """For the arrays of a file that may be compressed."""
    return Budget(
        max(LEAST_BYTES, file_bytes * COMPRESSION),
        f"the file has {file_bytes:,}, and weights hardly compress; save it again, without compression",
    )

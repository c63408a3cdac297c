"""Those who train one model together: each on its share of the videos, all with the same results."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn


class Workers(Protocol):
    """Those who train together."""

    rank: int

    def gather(self, value: Any) -> list[Any]:
        """What each of them brought, in the order of their ranks; all get the same."""

    def share_buffers(self, model: nn.Module) -> None:
        """Give all the running statistics of the first, so that all measure the same model."""


class SingleWorker:
    """One worker."""

    rank = 0

    def gather(self, value: Any) -> list[Any]:
        """See `Workers`."""
        return [value]

    def share_buffers(self, model: nn.Module) -> None:
        """See `Workers`."""

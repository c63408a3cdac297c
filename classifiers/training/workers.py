"""Communication between the workers of a training; each trains on its share of the videos."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn
from typing_extensions import override


class Workers(Protocol):
    """The workers of a training, as seen by the worker `rank`."""

    rank: int

    def gather(self, value: Any) -> list[Any]:
        """The values of all workers by rank, the same in every worker."""

    def share_buffers(self, model: nn.Module) -> None:
        """Copy the buffers of worker 0, such as batch norm statistics, to all, so that all evaluate the same model."""


class SingleWorker(Workers):
    """A training with one worker."""

    rank = 0

    @override
    def gather(self, value: Any) -> list[Any]:
        return [value]

    @override
    def share_buffers(self, model: nn.Module) -> None:
        pass

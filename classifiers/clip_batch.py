"""A batch of clips: what every clip classifier takes, and what its loss compares with.

Where the first stages of a model are frozen, what they make of a clip can stand for it: `StageBatch`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """N clips.

    clips    uint8 (N, T, H, W, C)
    targets  int64 (N,), one class each; or float32 (N, K) of 0 and 1; None where there are no labels
    ids      of the videos, or empty where nobody asked for them
    """

    clips: Tensor
    targets: Tensor | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def inputs(self) -> tuple[Tensor]:
        """What a network takes."""
        return (self.clips,)

    def to(self, device: torch.device) -> ClipBatch:
        """The same batch on another device."""
        return replace(
            self,
            clips=self.clips.to(device, non_blocking=True),
            targets=None if self.targets is None else self.targets.to(device, non_blocking=True),
        )


@dataclass(frozen=True, slots=True)
class StageBatch:
    """N clips, as far as the stages before `first_stage` take them: values (N, ...); the rest as in `ClipBatch`."""

    values: Tensor
    first_stage: int
    targets: Tensor | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def inputs(self) -> tuple[Tensor, int]:
        """What a network takes."""
        return self.values, self.first_stage

    def to(self, device: torch.device) -> StageBatch:
        """The same batch on another device."""
        return replace(
            self,
            values=self.values.to(device, non_blocking=True),
            targets=None if self.targets is None else self.targets.to(device, non_blocking=True),
        )

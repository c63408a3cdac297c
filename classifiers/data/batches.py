"""Batches of videos and clips, and requests for them.

A batch has `inputs`, the arguments of the network, `targets`, int64 (N,), one class each, or float32 (N, K) of 0 and 1,
None without labels, and `ids`, the ids of the videos, empty unless they were requested.

N videos or clips, T grid points or frames, D rgb features, A audio features, H height, W width, C channels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


class _Movable:
    """A batch whose tensors can be moved to another device."""

    __slots__ = ()

    def to(self, device: torch.device) -> Self:
        """The same batch with all tensors on `device`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True)
class FeatureBatch(_Movable):
    """Features of N videos.

    rgb         float32 (N, D) means; or (N, T, D) features of every grid point, zeros after a video's end
    audio       float32 (N, A) or (N, T, A), likewise
    num_frames  int64 (N,), grid points of each video; at frame level at most T
    """

    rgb: Tensor
    audio: Tensor
    num_frames: Tensor
    targets: Tensor | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rgb)

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """The arguments of a `FeatureModel`."""
        return self.rgb, self.audio, self.num_frames


@dataclass(frozen=True, slots=True)
class ClipBatch(_Movable):
    """N clips, uint8 (N, T, H, W, C)."""

    clips: Tensor
    targets: Tensor | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def inputs(self) -> tuple[Tensor]:
        """The arguments of a `ClipModel`."""
        return (self.clips,)


@dataclass(frozen=True, slots=True)
class StageBatch(_Movable):
    """Outputs of the frozen stages for N clips: `values` (N, ...) are the input of stage `first_stage`."""

    values: Tensor
    first_stage: int
    targets: Tensor | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def inputs(self) -> tuple[Tensor, int]:
        """The arguments of a `ClipModel`."""
        return self.values, self.first_stage


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """A request for batches: `shuffle` orders the videos at random by `seed` and epoch, `with_ids` adds their ids."""

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    with_ids: bool = False


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Worker `rank` of the `world` workers of a training, with its number of CPU `threads`."""

    rank: int = 0
    world: int = 1
    threads: int = 1

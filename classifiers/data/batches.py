"""A batch of videos' features: what every feature classifier takes, and what its loss compares with.

Letters: N videos, T grid points (the most of any in the batch), D picture features, A sound features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """N videos.

    rgb         float32 (N, D) means; or (N, T, D) features of every grid point, zeros beyond a video's end
    audio       float32 (N, A) or (N, T, A), likewise
    num_frames  int64 (N,), grid points of each video; at frame level never more than T
    targets     int64 (N,), one class each; or float32 (N, K) of 0 and 1; None where there are no labels
    ids         of the videos, or empty where nobody asked for them
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
        """What a network takes."""
        return self.rgb, self.audio, self.num_frames

    def to(self, device: torch.device) -> FeatureBatch:
        """The same batch on another device."""
        return replace(
            self,
            rgb=self.rgb.to(device, non_blocking=True),
            audio=self.audio.to(device, non_blocking=True),
            num_frames=self.num_frames.to(device, non_blocking=True),
            targets=None if self.targets is None else self.targets.to(device, non_blocking=True),
        )


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


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """How batches are wanted: `shuffle` in an order drawn by `seed` and epoch, `with_ids` with the videos' ids."""

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    with_ids: bool = False


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One of `world` that train together, by its `rank`; it has so many CPU `threads`."""

    rank: int = 0
    world: int = 1
    threads: int = 1

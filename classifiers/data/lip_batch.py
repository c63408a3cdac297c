"""A batch of clips of a mouth with their texts, padded to the longest of both.

N clips, T frames, H and W of a crop, C channels, S characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class LipBatch:
    """Clips as `classifiers.data.lip_frames` makes them, and their texts as outputs of an alphabet.

    clips       float32 (N, T, H, W, C)
    num_frames  int64 (N,), on the CPU
    labels      int64 (N, S), padded with 0
    num_labels  int64 (N,)
    ids         of the videos, if requested
    """

    clips: Tensor
    num_frames: Tensor
    labels: Tensor
    num_labels: Tensor
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def inputs(self) -> tuple[Tensor, Tensor]:
        """The arguments of the network."""
        return self.clips, self.num_frames

    def to(self, device: torch.device) -> Self:
        """The same batch on another device; lengths stay on the CPU, where torch packs sequences by them."""
        return replace(self, clips=self.clips.to(device, non_blocking=True), labels=self.labels.to(device))

    def texts(self) -> list[tuple[int, ...]]:
        """The outputs that spell each text."""
        rows = zip(self.labels.tolist(), self.num_labels.tolist(), strict=True)
        return [tuple(row[:length]) for row, length in rows]


def lip_batch(
    clips: Sequence[NDArray[np.float32]], texts: Sequence[Sequence[int]], ids: tuple[str, ...] = ()
) -> LipBatch:
    """The batch of clips (T, H, W, C) and of their texts."""
    padded_clips, num_frames = padded(clips)
    labels = pad_sequence([torch.tensor(text, dtype=torch.int64) for text in texts], batch_first=True)
    return LipBatch(padded_clips, num_frames, labels, torch.tensor([len(text) for text in texts]), ids)


def padded(clips: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Clips (T, H, W, C) as one batch (N, T, H, W, C), with zeros after the shorter ones; and their frames (N,)."""
    lengths = torch.tensor([len(clip) for clip in clips])
    return pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True), lengths

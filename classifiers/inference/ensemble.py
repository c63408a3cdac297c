"""Ensembles of feature classifiers: the mean of their probabilities.

In: the features of the members, frame-level if any member is frame-level. Out: logits (N, K) whose softmax (or sigmoid,
if `multi_label`) is the mean of the members' probabilities, each at its own temperature. N videos, T grid points, K
classes.

Video-level members of a mixed ensemble take the mean over the frames of each video.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.feature_models.base import FeatureModel, Level
from classifiers.layers.frames import mean_over_frames


def mean_probability(logits: Tensor, *, multi_label: bool) -> Tensor:
    """Logits (…, K) whose softmax (or sigmoid) is the mean of the M probabilities of `logits` (M, …, K)."""
    if multi_label:  # the means of p and of 1 - p have the same divisor
        return torch.logsumexp(F.logsigmoid(logits), 0) - torch.logsumexp(F.logsigmoid(-logits), 0)
    return torch.logsumexp(F.log_softmax(logits, dim=-1), 0) - math.log(len(logits))


def joint_logits(logits: Sequence[Tensor], *, multi_label: bool) -> Tensor:
    """Those of M members, (…, K) each, as one: of a single member its own."""
    return mean_probability(torch.stack(list(logits)), multi_label=multi_label) if len(logits) > 1 else logits[0]


class Ensemble(nn.Module):
    """Feature models with loaded weights."""

    def __init__(
        self, *, members: Sequence[FeatureModel], multi_label: bool, temperatures: Sequence[float] | None = None
    ) -> None:
        """Check that the members agree on classes and widths; `temperatures` divide their logits."""
        super().__init__()
        sizes = {(member.num_classes, member.rgb_dim, member.audio_dim) for member in members}
        if len(sizes) != 1:
            found = ", ".join(map(str, sorted(sizes))) or "no members"
            raise ValueError(f"members must agree on (num_classes, rgb_dim, audio_dim); found {found}")
        self.members = nn.ModuleList(members)
        self.multi_label = multi_label
        self.temperatures = tuple(temperatures or (1.0,) * len(members))
        self.level: Level = "frame" if any(member.level == "frame" for member in members) else "video"

    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """The concatenated inputs of the members' heads: (N, sum of their H)."""
        means = (rgb, audio)
        if self.level == "frame" and any(member.level == "video" for member in self._models()):
            means = (mean_over_frames(rgb, num_frames), mean_over_frames(audio, num_frames))
        features = []
        for member in self._models():
            inputs = means if member.level == "video" else (rgb, audio)
            member.check_shapes(*inputs)
            features.append(member.forward_features(*inputs, num_frames))
        return torch.cat(features, dim=1)

    def forward_head(self, features: Tensor) -> Tensor:
        """The concatenated inputs of the heads to logits (N, K)."""
        parts = torch.split(features, [member.feature_dim for member in self._models()], dim=1)
        members = zip(self._models(), parts, self.temperatures, strict=True)
        logits = torch.stack([member.forward_head(part) / temperature for member, part, temperature in members])
        return mean_probability(logits, multi_label=self.multi_label)  # from (members, N, K)

    def forward(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """Features of a batch of videos to logits (N, K)."""
        return self.forward_head(self.forward_features(rgb, audio, num_frames))

    def reset_head(self, num_classes: int) -> None:
        """Replace the heads of the members by newly initialised ones for `num_classes` classes."""
        for member in self._models():
            member.reset_head(num_classes)

    def _models(self) -> list[FeatureModel]:
        return [cast(FeatureModel, member) for member in self.members]

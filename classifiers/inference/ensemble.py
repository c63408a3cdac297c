"""Several classifiers as one: the mean of their probabilities.

In: features as the members take them; frame-level ones where any member is frame-level. Out: logits (N, K) whose
softmax (or sigmoid, for `multi_label`) is the mean of what the members say, each at its own temperature where they
have been calibrated. N videos, T grid points, K classes.

Video-level members of a mixed ensemble get the mean over each video's frames.
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
    """Logits (…, K) whose softmax (or sigmoid) is the mean over those of `logits` (M, …, K)."""
    if multi_label:  # means of p and of 1 - p share their divisor
        return torch.logsumexp(F.logsigmoid(logits), 0) - torch.logsumexp(F.logsigmoid(-logits), 0)
    return torch.logsumexp(F.log_softmax(logits, dim=-1), 0) - math.log(len(logits))


class Ensemble(nn.Module):
    """Members, which somebody else has made and loaded."""

    def __init__(
        self, *, members: Sequence[FeatureModel], multi_label: bool, temperatures: Sequence[float] | None = None
    ) -> None:
        """Check that the members agree on classes and widths. A member's logits are divided by its temperature."""
        super().__init__()
        kinds = {(member.num_classes, member.rgb_dim, member.audio_dim) for member in members}
        if len(kinds) != 1:
            found = ", ".join(str(kind) for kind in sorted(kinds)) or "no member at all"
            raise ValueError(f"members must agree on (num_classes, rgb_dim, audio_dim); found {found}")
        self.members = nn.ModuleList(members)
        self.multi_label = multi_label
        self.temperatures = tuple(temperatures or (1.0,) * len(members))
        self.level: Level = "frame" if any(member.level == "frame" for member in members) else "video"

    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """What the members' heads see, side by side: (N, sum of their H)."""
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
        """Logits (N, K) of the mean probability."""
        parts = torch.split(features, [member.feature_dim for member in self._models()], dim=1)
        each = zip(self._models(), parts, self.temperatures, strict=True)
        logits = torch.stack([member.forward_head(part) / heat for member, part, heat in each])  # (members, N, K)
        return mean_probability(logits, multi_label=self.multi_label)

    def forward(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.forward_head(self.forward_features(rgb, audio, num_frames))

    def reset_head(self, num_classes: int) -> None:
        """Put fresh heads for other classes on the members."""
        for member in self._models():
            member.reset_head(num_classes)

    def _models(self) -> list[FeatureModel]:
        return [cast(FeatureModel, member) for member in self.members]

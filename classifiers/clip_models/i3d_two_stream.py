"""Two-stream I3D: a network on RGB and one on optical flow, averaged.

In: clips, uint8 (N, T, H, W, 5), RGB and then flow. Out: logits (N, K), the means of those of the two networks;
features (N, 2 F), those of RGB and then those of flow. N clips, T frames, K classes, F = 1024.

Source: arXiv:1705.07750 and deepmind/kinetics-i3d, where the networks are trained apart and their logits added, which
ranks classes as the mean does. As the heads are linear, the mean is one linear head on the features of both. 25,372,176
parameters with 400 classes.

`joined` makes the checkpoint out of those of the two networks. It can also be trained as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import HEAD, Accuracy, ClipModel, register_clip_model
from classifiers.clip_models.i3d import SOURCE, InflatedConfig, inflated_stages
from schemas.clips import PIXELS, ClipFormat

RGB_CHANNELS, FLOW_CHANNELS = 3, 2


@dataclass(frozen=True, kw_only=True)
class TwoStreamConfig(InflatedConfig):
    """Of both networks."""

    @override
    def clip_format(self) -> ClipFormat:
        pixels = {key: values + values[:FLOW_CHANNELS] for key, values in PIXELS[self.pixels].items()}
        return self.format_of(pixels, flow=True)


class Streams(nn.Module):
    """A stage of both networks; the channels of RGB come first."""

    def __init__(self, *, rgb: nn.Module, flow: nn.Module, is_first: bool) -> None:
        super().__init__()
        self.rgb, self.flow = rgb, flow
        self.is_first = is_first

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, …) to (N, C', …)."""
        # No size is computed here: it would become a part of an exported network.
        if self.is_first:
            rgb, flow = torch.split(values, [RGB_CHANNELS, FLOW_CHANNELS], dim=1)
        else:
            rgb, flow = values.chunk(2, dim=1)
        return torch.cat([self.rgb(rgb), self.flow(flow)], dim=1)


@register_clip_model(
    "i3d-two-stream",
    TwoStreamConfig(),
    parameters=25_372_176,
    classes=400,
    gflops=106.8,
    accuracy=Accuracy(74.2, "Kinetics-400", SOURCE),
)
class TwoStreamI3d(ClipModel):
    """Two inflated Inception-v1."""

    def __init__(self, *, num_classes: int, config: TwoStreamConfig) -> None:
        rgb, feature_dim = inflated_stages(RGB_CHANNELS, config)
        flow, _ = inflated_stages(FLOW_CHANNELS, config)
        stages = {
            name: Streams(rgb=stage, flow=flow[name], is_first=place == 0)
            for place, (name, stage) in enumerate(rgb.items())
        }
        super().__init__(config=config, stages=stages, feature_dim=2 * feature_dim, num_classes=num_classes)


def joined(
    rgb: Mapping[str, Tensor], flow: Mapping[str, Tensor], temperatures: tuple[float, float]
) -> dict[str, Tensor]:
    """The weights of two networks as those of one; `temperatures` divide their logits before they are averaged."""
    state: dict[str, Tensor] = {}
    for stream, weights in (("rgb", rgb), ("flow", flow)):
        for key, value in weights.items():
            trunk, stage, rest = (*key.split(".", 2), "")[:3]
            if trunk != HEAD:
                state[f"{trunk}.{stage}.{stream}.{rest}"] = value
    heads = [
        {name: weights[f"{HEAD}.{name}"] / (2 * temperature) for name in ("weight", "bias")}
        for weights, temperature in zip((rgb, flow), temperatures, strict=True)
    ]
    state[f"{HEAD}.weight"] = torch.cat([head["weight"] for head in heads], dim=1)  # (K, 2 F)
    state[f"{HEAD}.bias"] = heads[0]["bias"] + heads[1]["bias"]
    return state

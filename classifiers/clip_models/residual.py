"""The frame of residual networks over clips: a stem, layers of blocks that each double the channels, the mean.

In: (N, 3, T, H, W). Out: features (N, F) with F = 64 x 2^(layers - 1) x expansion. N clips, T frames.

R3D, R(2+1)D, P3D and FAST 3D differ in their stems and blocks alone; each of them is a `ResidualClipModel`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import nn

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.config import ClipConfig

STEM_CHANNELS = 64


class MakeBlock(Protocol):
    """Creates a residual block."""

    def __call__(self, inputs: int, outputs: int, *, layer: int, stride: int) -> nn.Module:
        """A block of layer `layer` from `inputs` to `outputs` channels; `stride` is that of height and width."""


class ResidualClipModel(ClipModel):
    """A residual network; `stem` gives `config.channels(STEM_CHANNELS)` channels.

    blocks      number of blocks of each layer
    expansion   output channels of a block over the channels of its layer
    layer_pool  creates a pooling for the end of each layer but the last
    """

    def __init__(
        self,
        *,
        config: ClipConfig,
        num_classes: int,
        stem: nn.Module,
        blocks: Sequence[int],
        make_block: MakeBlock,
        expansion: int = 1,
        layer_pool: Callable[[], nn.Module] | None = None,
    ) -> None:
        outputs = config.channels(STEM_CHANNELS)
        stages: dict[str, nn.Module] = {"stem": stem}
        for layer, count in enumerate(blocks):
            modules: list[nn.Module] = []
            for block in range(count):
                inputs, outputs = outputs, config.channels(STEM_CHANNELS * 2**layer) * expansion
                stride = 2 if block == 0 and layer > 0 else 1
                modules.append(make_block(inputs, outputs, layer=layer, stride=stride))
            # Pooling has nothing to train, so it belongs to a layer and is not a stage of its own.
            if layer == len(blocks) - 1:
                modules += [nn.AdaptiveAvgPool3d(1), nn.Flatten()]
            elif layer_pool is not None:
                modules.append(layer_pool())
            stages[f"layer{layer + 1}"] = nn.Sequential(*modules)
        super().__init__(config=config, stages=stages, feature_dim=outputs, num_classes=num_classes)
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

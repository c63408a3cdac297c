"""Inception v3 over frames: a classifier of pictures, whose features are the mean over the frames of a clip.

In: clips, uint8 (N, T, H, W, 3), H and W at least 75; of one frame by default. Out: logits (N, K); features (N, F): the
2048 of the network, or the output of the last dense layer. N clips, T frames, K classes.

Source: arXiv:1512.00567, in the form of Keras's application: average pools that do not count the padding, 23,834,568
parameters with the 1000 classes of ImageNet (`extractors.networks.inception`). Dense layers with ReLU may stand between
its features and the head, as networks have that were fine-tuned with Keras. Frames are squeezed to the size of the
input, whatever their shape: no part of a picture is left out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from extractors.networks.inception import inception_keras
from extractors.networks.inference_form import to_inference_form
from extractors.networks.sizes import FEATURE_DIM
from schemas.clips import SIGNED, ClipFormat


@dataclass(frozen=True, kw_only=True)
class InceptionV3Config(ClipConfig):
    """The widths of dense layers between features and head; of the network, any number of sixteenths."""

    frames: int = 1
    height: int = 299
    width: int = 299
    dense: tuple[int, ...] = ()

    at_least: ClassVar[Mapping[str, int]] = {"height": 75, "width": 75, "dense": 1}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width_factor * 16 % 1 or self.width_factor > 1:
            raise ValueError(f"width_factor must be a number of sixteenths up to 1, got {self.width_factor}")

    @property
    def sixteenths(self) -> int:
        """The width of the network."""
        return int(self.width_factor * 16)

    @override
    def clip_format(self) -> ClipFormat:
        return self.make_format(resize=(self.height, self.width), fps=None, pixels=SIGNED)


class FrameFeatures(nn.Module):
    """The network on every frame, and the mean over the frames."""

    def __init__(self, sixteenths: int) -> None:
        super().__init__()
        self.network = inception_keras(sixteenths)
        self.network.fc = nn.Identity()  # type: ignore[assignment]

    def forward(self, values: Tensor) -> Tensor:
        """(N, 3, T, H, W) to (N, 2048)."""
        frames = values.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (N T, 3, H, W)
        # Converted layers know their types.
        is_reduced = values.dtype != torch.float32
        with torch.autocast(values.device.type, enabled=False) if is_reduced else nullcontext():
            features = self.network.forward_features(frames)  # (N T, 2048)
        mean: Tensor = features.view(-1, values.shape[2], features.shape[1]).mean(dim=1)  # (N, 2048)
        return mean


@register_clip_model("inception-v3", InceptionV3Config(), parameters=23_834_568, classes=1000, gflops=11.4)
class InceptionV3Frames(ClipModel):
    """The network as one stage, then one for each dense layer: `dense_1`, `dense_2`, ..."""

    def __init__(self, *, num_classes: int, config: InceptionV3Config) -> None:
        stages: dict[str, nn.Module] = {"inception": FrameFeatures(config.sixteenths)}
        width = config.channels(FEATURE_DIM)
        for number, units in enumerate(config.dense, 1):
            layers = OrderedDict([("linear", nn.Linear(width, units)), ("relu", nn.ReLU())])
            stages[f"dense_{number}"], width = nn.Sequential(layers), units
        super().__init__(config=config, stages=stages, feature_dim=width, num_classes=num_classes)

    @override
    def reduce(self, dtype: torch.dtype) -> None:
        features = self.trunk["inception"]
        assert isinstance(features, FrameFeatures)
        to_inference_form(features.network, dtype=dtype)
        super().reduce(dtype)

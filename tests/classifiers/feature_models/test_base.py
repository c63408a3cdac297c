"""The base class of feature models: sizes, shapes of the input, and the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Unpack

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes
from classifiers.layers.heads import MixtureHead

N, T, D, A, K = 4, 5, 3, 2, 6


@dataclass(frozen=True)
class MeanConfig:
    """The head's mixtures."""

    num_mixtures: int = 0


class MeanModel(FeatureModel):
    """Concatenated features, averaged over frames if there are any."""

    def __init__(self, *, config: MeanConfig, **sizes: Unpack[Sizes]) -> None:
        feature_dim = sizes["rgb_dim"] + sizes["audio_dim"]
        super().__init__(config=config, feature_dim=feature_dim, num_mixtures=config.num_mixtures, **sizes)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        features = torch.cat([rgb, audio], dim=-1)
        return features.mean(dim=1) if features.ndim == 3 else features


class VideoModel(MeanModel):
    level = "video"


class FrameModel(MeanModel):
    level = "frame"


def model(level: Literal["video", "frame"], num_mixtures: int = 0) -> MeanModel:
    kind = VideoModel if level == "video" else FrameModel
    return kind(config=MeanConfig(num_mixtures), num_classes=K, rgb_dim=D, audio_dim=A)


def inputs(level: Literal["video", "frame"]) -> tuple[Tensor, Tensor, Tensor]:
    shape = (N,) if level == "video" else (N, T)
    return torch.randn(*shape, D), torch.randn(*shape, A), torch.full((N,), T)


@pytest.mark.parametrize("level", ["video", "frame"])
def test_logits_are_the_head_of_the_features(level: Literal["video", "frame"]) -> None:
    network, batch = model(level), inputs(level)
    assert isinstance(network.head, nn.Linear)
    logits = network(*batch)
    assert logits.shape == (N, K)
    torch.testing.assert_close(logits, network.head(network.forward_features(*batch)))


@pytest.mark.parametrize("level", ["video", "frame"])
def test_another_level_or_width_is_refused_with_both_shapes(level: Literal["video", "frame"]) -> None:
    network = model(level)
    rgb, audio, num_frames = inputs(level)
    other = inputs("frame" if level == "video" else "video")
    expected = r"\(N, 3\)" if level == "video" else r"\(N, T, 3\)"
    for wrong in (other, (audio, rgb, num_frames), (rgb[1:], audio, num_frames)):
        with pytest.raises(ValueError, match=f"takes {level}-level features of shapes {expected} and .*, got "):
            network(*wrong)


def test_a_new_head_has_the_mixtures_type_and_device_of_the_old_one() -> None:
    network = model("video", num_mixtures=2).double().to("meta")
    network.reset_head(9)
    assert isinstance(network.head, MixtureHead)
    assert (network.num_classes, network.head.num_classes, network.head.num_mixtures) == (9, 9, 2)
    assert {(weight.dtype, weight.device.type) for weight in network.parameters()} == {(torch.float64, "meta")}
    with pytest.raises(ValueError, match="num_classes is 0; it must be at least 1"):
        network.reset_head(0)


def test_all_sizes_below_1_are_reported() -> None:
    with pytest.raises(ValueError, match="num_classes is 0, audio_dim is -2: each must be at least 1"):
        VideoModel(config=MeanConfig(), num_classes=0, rgb_dim=1, audio_dim=-2)

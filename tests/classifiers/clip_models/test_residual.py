"""The frame of residual networks: stages, strides, channels, pooling and initialisation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from classifiers.clip_models.residual import STEM_CHANNELS, ResidualClipModel
from classifiers.clip_models.video_resnet import VideoResNetConfig

CONFIG = VideoResNetConfig(width_factor=0.125, frames=4, height=32, width=32)  # 8 channels in the stem


class Block(nn.Module):
    """A strided 1 x 1 x 1 convolution that records how it was made."""

    def __init__(self, inputs: int, outputs: int, layer: int, stride: int) -> None:
        super().__init__()
        self.made = (inputs, outputs, layer, stride)
        self.conv = nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False)

    def forward(self, values: Tensor) -> Tensor:
        return self.conv(values)


class TimePool(nn.MaxPool3d):
    """Halves time."""

    def __init__(self) -> None:
        super().__init__((2, 1, 1))


def build(blocks: tuple[int, ...] = (1, 2, 1), **options: object) -> ResidualClipModel:
    def make_block(inputs: int, outputs: int, *, layer: int, stride: int) -> nn.Module:
        return Block(inputs, outputs, layer, stride)

    stem = nn.Conv3d(3, CONFIG.channels(STEM_CHANNELS), 1)
    options = {"expansion": 1, "layer_pool": None, **options}
    return ResidualClipModel(
        config=CONFIG,
        num_classes=5,
        stem=stem,
        blocks=blocks,
        make_block=make_block,
        **options,  # type: ignore[arg-type]
    )


def made(model: ResidualClipModel) -> list[tuple[int, int, int, int]]:
    return [module.made for module in model.modules() if isinstance(module, Block)]


def test_layers_double_the_channels_and_halve_height_and_width_but_the_first() -> None:
    model = build()
    assert made(model) == [(8, 8, 0, 1), (8, 16, 1, 2), (16, 16, 1, 1), (16, 32, 2, 2)]
    assert list(model.stages()) == ["stem", "layer1", "layer2", "layer3", "head"]
    assert model.feature_dim == 32
    values = model.forward_stages(torch.zeros(2, 3, 4, 32, 32), 0, 3)
    assert values.shape == (2, 16, 4, 16, 16)


def test_an_expansion_multiplies_the_channels_of_every_block() -> None:
    model = build((1, 1), expansion=4)
    assert made(model) == [(8, 32, 0, 1), (32, 64, 1, 2)]
    assert model.feature_dim == 64


def test_a_pooling_ends_every_layer_but_the_last_which_ends_in_the_mean() -> None:
    model = build((1, 1, 1), layer_pool=TimePool)
    values = torch.randn(2, 3, 4, 32, 32)
    assert model.forward_stages(values, 0, 2).shape[2] == 2
    assert model.forward_stages(values, 0, 3).shape[2] == 1
    features = model.forward_features(values)
    assert features.shape == (2, 32)
    last = model.trunk["layer3"][0](model.forward_stages(values, 0, 3))  # type: ignore[index]
    torch.testing.assert_close(features, last.mean(dim=(2, 3, 4)))


@pytest.mark.parametrize("blocks", [(1,), (2, 2, 2, 2)])
def test_convolutions_start_with_hes_variance_of_the_outputs(blocks: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    for module in build(blocks).trunk.modules():
        if isinstance(module, nn.Conv3d):
            expected = (2 / module.out_channels) ** 0.5  # of a 1 x 1 x 1 kernel
            assert module.weight.std().item() == pytest.approx(expected, rel=0.35)

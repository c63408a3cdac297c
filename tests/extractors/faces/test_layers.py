"""The layers that both face networks are made of; their numbers are compared with LiteRT's in the networks' tests."""

import pytest
import torch
from torch import nn

from extractors.faces.layers import Block, SameConv


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [7, 8])
def test_the_extra_row_and_column_of_same_padding_are_at_the_end(kernel: int, stride: int, side: int) -> None:
    conv = SameConv(1, 1, kernel, stride, bias=False)
    nn.init.ones_(conv.weight)
    seen = conv(torch.ones(1, 1, side, side)).detach()[0, 0]  # how many pixels each window sees
    outputs = -(-side // stride)
    before = max((outputs - 1) * stride + kernel - side, 0) // 2
    starts = [index * stride - before for index in range(outputs)]
    along = torch.tensor([min(start + kernel, side) - max(start, 0) for start in starts], dtype=torch.float32)
    torch.testing.assert_close(seen, along[:, None] * along)


def test_a_block_adds_its_pooled_input_with_zeros_as_new_channels() -> None:
    block = Block(2, 5, stride=2, activation=nn.Identity())
    nn.init.zeros_(block.pointwise.weight)
    nn.init.zeros_(block.pointwise.bias)
    x = torch.arange(32.0).view(1, 2, 4, 4)
    output = block(x)
    torch.testing.assert_close(output[:, :2], nn.functional.max_pool2d(x, 2))
    assert not output[:, 2:].any()

import math

import torch
from torch import nn

from extractors.networks.inception import ConvBlock, inception_imagenet
from extractors.networks.rounding import mean_after_relu, mean_inputs, mean_shift, round_kernel
from tests.support import parity

BF16 = torch.bfloat16


def nearest(numbers):
    return numbers.to(BF16).double()


def test_a_kernels_taps_keep_their_sum():
    weight = torch.randn(8, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rounded, plain = round_kernel(weight, nearest), nearest(weight)
    assert torch.equal(nearest(rounded), rounded)
    assert (rounded - weight).abs().max() < 2 * (plain - weight).abs().max()

    def off(found):
        return (found - weight).sum((2, 3)).square().mean().sqrt()

    assert off(rounded) < off(plain) / 2


def test_without_neighbours_rounding_is_to_the_nearest():
    weight = torch.randn(8, 4, 1, 1, dtype=torch.float64)
    assert torch.equal(round_kernel(weight, nearest), nearest(weight))


def test_the_shift_of_a_mean_is_what_rounding_does_to_a_constant_input():
    weight = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    rounded = nearest(weight)
    x = torch.rand(4, dtype=torch.float64)
    images = x[None, :, None, None].expand(1, 4, 3, 3)
    expected = nn.functional.conv2d(images, rounded) - nn.functional.conv2d(images, weight)
    torch.testing.assert_close(mean_shift(rounded, weight, x), expected.flatten())


def test_the_mean_of_a_rectified_normal_distribution():
    norm = nn.BatchNorm2d(3)
    norm.bias.data = torch.tensor([-1.0, 0.0, 20.0])
    norm.weight.data = torch.tensor([-2.0, 3.0, 0.0])
    found = mean_after_relu(norm)
    noise = torch.randn(1_000_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found[0], (noise * 2 - 1).relu().mean(), rtol=0.01, atol=0)
    torch.testing.assert_close(found[1:], torch.tensor([3 / math.sqrt(2 * math.pi), 20.0], dtype=torch.float64))


def test_means_are_propagated_through_branches_and_pools():
    with torch.device("meta"):
        network = inception_imagenet()  # its pools count padding
    network.load_state_dict(parity.state_dict("inception_v3_torchvision"), assign=True)
    means = mean_inputs(network.eval())
    assert set(means) == {
        block for name, block in network.named_modules() if isinstance(block, ConvBlock) and "Aux" not in name
    }
    assert means[network.Conv2d_1a_3x3].tolist() == [0, 0, 0]
    ends = [getattr(network.Mixed_5b, name) for name in ("branch1x1", "branch5x5_2", "branch3x3dbl_3", "branch_pool")]
    expected = torch.cat([mean_after_relu(block.bn) for block in ends])
    for block in (network.Mixed_5c.branch1x1, network.Mixed_5c.branch_pool):
        torch.testing.assert_close(means[block], expected, rtol=1e-6, atol=0)
    assert not any(block._forward_hooks for block in means)

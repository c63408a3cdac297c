import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from extractors.networks import inference_form
from extractors.networks.cpu_precision import has_cpu_bf16
from extractors.networks.inception import ConvBlock, GridBlock35, inception_2015
from extractors.networks.inference_form import (
    FusedConv,
    PooledConv,
    TiledLinear,
    fold_batch_norm,
    to_inference_form,
)
from extractors.networks.rounding import mean_shift
from extractors.weights.pretrained import random_state
from tests.support import parity

PRECISIONS = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module")
def images():
    frames = parity.weights.frames(0, (8, 299, 299, 3))
    return ((torch.from_numpy(frames).float() - 128) / 128).permute(0, 3, 1, 2)


def assert_same(found, expected):
    """Equal to the bit on the processors tested; on others, `BatchRunner` pads short batches."""
    if has_cpu_bf16():
        assert torch.equal(found, expected)
    else:
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=1e-3)


def folded(dtype):
    with torch.device("meta"):
        network = inception_2015()
    network.load_state_dict(parity.state_dict("inception_2015_fid"), assign=True)
    return to_inference_form(network, dtype=dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_outputs_do_not_depend_on_the_batch(images, dtype, tolerance):
    network = folded(dtype)
    images = images.to(dtype)
    with torch.inference_mode():
        together = network.forward_features(images)
        for size in (1, 2, 3, 5):
            parts = torch.cat([network.forward_features(part) for part in images[:5].split(size)])
            assert_same(parts, together[:5])
        assert_same(network.forward_features(images.flip(0)), together.flip(0))
        assert_same(network.forward_features(images, stem_frames=3), together)
    expected = parity.golden("inception_2015_fid")["frames299_features"]
    two = parity.weights.frames(0, (2, 299, 299, 3))
    pair = ((torch.from_numpy(two).float() - 128) / 128).permute(0, 3, 1, 2).to(dtype)
    with torch.inference_mode():
        assert parity.rel_rms(network.forward_features(pair), expected) < tolerance


def test_batch_norm_is_folded_exactly():
    block = nn.Sequential(ConvBlock(3, 8, kernel=3, stride=2, padding=1)).eval()
    norm = block[0].bn
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        values.data.uniform_(0.5, 1.5)
    x = torch.randn(2, 3, 9, 9)
    with torch.inference_mode():
        expected = block(x)
        fused = to_inference_form(block, dtype=torch.float32)
        assert isinstance(fused[0], FusedConv)
        torch.testing.assert_close(fused(x.contiguous(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize("counts_padding", [True, False])
def test_an_average_pool_moves_after_a_pointwise_convolution(counts_padding):
    block = GridBlock35(8, pool_channels=4, pool_counts_padding=counts_padding).eval()
    norm = block.branch_pool.bn
    norm.running_mean.data.uniform_(-0.5, 0.5)
    norm.bias.data.uniform_(-0.5, 0.5)
    x = torch.rand(2, 8, 9, 9).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = block(x)
        moved = to_inference_form(block, dtype=torch.float32)
        assert isinstance(moved.branch_pool, PooledConv)
        torch.testing.assert_close(moved(x), expected)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_linear_rows_do_not_depend_on_each_other(dtype):
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(64, 4096, generator=generator), torch.randn(64, generator=generator)
    linear = TiledLinear(weight, bias, dtype=dtype)
    rows = torch.randn(37, 4096, generator=generator).to(dtype)
    with torch.inference_mode():
        together = linear(rows)
        for size in (1, 2, 3, 16, 20):
            assert torch.equal(torch.cat([linear(part) for part in rows.split(size)]), together)
        assert torch.equal(linear(rows.flip(0)), together.flip(0))
        assert linear(rows[:0]).shape == (0, 64)
    expected = rows.float() @ weight.to(dtype).float().T + bias
    torch.testing.assert_close(together.float(), expected, rtol=2e-2, atol=1.0 if dtype == torch.bfloat16 else 1e-2)


@pytest.mark.parametrize("has_kernels", [True, False])
def test_biases_are_not_rounded(monkeypatch, has_kernels):
    if not has_kernels:  # as on CUDA
        monkeypatch.setattr(inference_form, "has_packed_kernels", lambda device: False)
    bf16, bias = torch.bfloat16, torch.full((5,), 300.9)  # 300 in bf16
    layers = [FusedConv(nn.Conv2d(3, 5, 1), torch.full((5, 3, 1, 1), -100.0), bias, dtype=bf16)]
    for counts_padding in (True, False):
        pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=counts_padding)
        layers.append(PooledConv(pool, nn.Conv2d(3, 5, 1), torch.full((5, 3, 1, 1), -100.0), bias, dtype=bf16))
    x = torch.ones(1, 3, 3, 3, dtype=bf16).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = [layer(x)[0, :, 1, 1] for layer in layers]
        found += TiledLinear(torch.full((5, 3), -100.0), bias, dtype=bf16)(torch.ones(1, 3, dtype=bf16))
    for values in found:
        assert values.dtype == bf16
        torch.testing.assert_close(values.float(), torch.full((5,), 0.9), atol=2e-3, rtol=0)


def test_the_first_two_layers_are_in_float32_with_bf16():
    network = folded(torch.bfloat16)
    assert [layer.weight.dtype for layer in network.children() if isinstance(layer, FusedConv)] == [
        *(torch.float32, torch.float32),
        *(torch.bfloat16,) * 3,
    ]
    with torch.inference_mode():
        assert network.Conv2d_1a_3x3(torch.zeros(1, 3, 9, 9)).dtype == torch.float32
        assert network.Conv2d_2a_3x3(torch.zeros(1, 32, 9, 9)).dtype == torch.bfloat16


def test_rounding_is_made_up_for_by_the_bias_of_known_statistics():
    exact = {name: layer for name, layer in folded(torch.float32).named_modules() if isinstance(layer, FusedConv)}
    rounded = dict(folded(torch.bfloat16).named_modules())
    changed = [name for name, layer in exact.items() if not torch.equal(layer.bias, rounded[name].bias)]
    without_bias = {name for name in exact if name.endswith("branch_pool.conv")}
    assert set(changed) >= set(exact) - without_bias - {"Conv2d_1a_3x3", "Conv2d_2a_3x3"}


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_bias_makes_up_for_exactly_what_rounding_does_to_the_mean(kernel):
    block = nn.Sequential(described(ConvBlock(16, 24, kernel=kernel))).eval()
    mean = torch.rand(16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight, bias = fold_batch_norm(block[0])
    expected = weight.sum((2, 3)) @ mean + bias
    layer = to_inference_form(block, dtype=torch.bfloat16, means={block[0]: mean})[0]
    found = layer.weight.double().sum((2, 3)) @ mean + layer.bias.double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def trained():
    """A network with biases whose norms describe its activations, smooth images, their features, and bf16's error."""
    with torch.device("meta"):
        network = inception_2015()
    network.load_state_dict(random_state(network, 0), assign=True)
    colours = torch.rand(16, 3, 9, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(colours, size=139, mode="bilinear").contiguous(memory_format=torch.channels_last)
    for layer in network.modules():
        if isinstance(layer, ConvBlock):
            described(layer).bn.momentum = None  # the statistics of one batch are those of the norm
    with torch.inference_mode():
        network.train().forward_features(images)
        exact = network.eval().forward_features(images).numpy()
    return network, images, exact, bf16_error(network, images, exact)


def bf16_error(network, images, exact):
    form = to_inference_form(copy.deepcopy(network), dtype=torch.bfloat16)
    with torch.inference_mode():
        return parity.rel_rms(form.forward_features(images), exact)


def described(block):
    """Draw scale and shift of the norm as they are in trained networks."""
    generator = torch.Generator().manual_seed(block.conv.in_channels)
    block.bn.weight.data = torch.rand(block.bn.weight.shape, generator=generator) * 0.4 + 0.1
    block.bn.bias.data = torch.randn(block.bn.bias.shape, generator=generator) * 0.3
    return block


def nearest_kernel(weight, nearest):
    return nearest(weight.double())


@pytest.mark.parametrize(
    "without",
    [
        {"round_kernel": nearest_kernel, "mean_shift": lambda *_: 0.0},
        {"mean_shift": lambda *_: 0.0},
        {"mean_shift": lambda *given: -mean_shift(*given)},
        {"EXACT": ()},
    ],
    ids=["to the nearest", "means as they come", "the other sign", "all layers in bf16"],
)
def test_features_are_nearer_to_float32_than_without_what_is_done_for_it(trained, without, monkeypatch):
    network, images, exact, ours = trained
    for name, value in without.items():
        monkeypatch.setattr(inference_form, name, value)
    assert ours < 0.9 * bf16_error(network, images, exact)


def test_a_convolution_without_a_relu_is_refused():
    with pytest.raises(ValueError, match="ReLU"):
        to_inference_form(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)), dtype=torch.float32)

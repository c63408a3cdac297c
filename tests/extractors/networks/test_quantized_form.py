import pytest
import torch
from torch import nn
from torch.nn import functional

from extractors.networks.cpu_precision import has_cpu_int8
from extractors.networks.inception import VARIANTS, ConvBlock
from extractors.networks.inference_form import fold_batch_norm
from extractors.networks.quantized_form import (
    LEVELS,
    SLOW_STRIDED_WEIGHTS,
    FromLevels,
    MaxPool,
    QuantizedConv,
    QuantizedInception,
    ToLevels,
    ranges_of,
)
from extractors.weights.pretrained import random_state
from tests.support import parity


def random_network(variant):
    with torch.device("meta"):
        network = VARIANTS[variant]()
    network.load_state_dict(random_state(network, 0), assign=True)
    return network.eval()


@pytest.fixture(scope="module")
def images():
    frames = parity.weights.frames(0, (5, 299, 299, 3))
    images = ((torch.from_numpy(frames).float() - 128) / 128).permute(0, 3, 1, 2)
    assert images.is_contiguous(memory_format=torch.channels_last)
    return images


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_features_are_close_to_float_and_the_same_in_any_batch(variant, images):
    with torch.inference_mode():
        exact = random_network(variant).forward_features(images[:2])
        network = QuantizedInception(random_network(variant))
        together = network.forward_features(images)
        assert torch.equal(torch.cat([network.forward_features(part) for part in images.split(2)]), together)
        assert torch.equal(network.forward_features(images, stem_frames=2), together)
    assert together.dtype == torch.float32
    assert parity.rel_rms(together[:2], exact.numpy()) < 0.06
    assert functional.cosine_similarity(together[:2], exact).min() > 0.999


def block(c_in, c_out, **options):
    torch.manual_seed(0)
    made = ConvBlock(c_in, c_out, **options).eval()
    made.bn.running_mean.data.uniform_(-0.2, 0.2)
    made.bn.bias.data.uniform_(-0.5, 0.5)
    made.bn.weight.data.uniform_(0.05, 0.3)
    return made


@pytest.mark.parametrize(
    ("options", "pool"),
    [
        ({"kernel": 3, "stride": 2}, None),
        ({"kernel": (1, 7), "padding": (0, 3)}, None),
        ({"kernel": 1}, nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=True)),
        ({"kernel": 1}, nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)),
    ],
)
@pytest.mark.skipif(not has_cpu_int8(), reason="without VNNI, sums of 8-bit products saturate; int8 is refused there")
def test_a_layer_computes_in_units_of_its_channels_ranges(options, pool):
    float_block = block(16, 24, **options)
    ranges = torch.linspace(0.5, 3, 16, dtype=torch.float64)
    levels = torch.randint(0, LEVELS + 1, (2, 16, 9, 9), dtype=torch.uint8)
    x = levels / LEVELS * ranges[:, None, None].float()
    layer = QuantizedConv(float_block, ranges, ranges / 2, pool=pool)
    with torch.inference_mode():
        found = layer(levels.contiguous(memory_format=torch.channels_last))
        expected = float_block(pool(x) if pool else x)
    assert found.dtype == torch.uint8
    steps = ranges_of(float_block.bn)[:, None, None].float() / LEVELS
    assert ((found * steps - expected).abs() / steps).max() < 4
    assert found.float().mean() > 1


def test_the_bias_makes_up_for_exactly_what_rounding_does_to_the_mean():
    float_block = block(16, 24, kernel=3)
    ranges = torch.linspace(0.5, 3, 16, dtype=torch.float64)
    weight, bias = fold_batch_norm(float_block)
    expected = (weight.sum((2, 3)) @ (ranges / 3) + bias) / ranges_of(float_block.bn)
    layer = QuantizedConv(float_block, ranges, ranges / 3)
    rounded = layer.levels.double() * layer.scales.double()[:, None, None, None]
    found = rounded.sum((2, 3)) @ torch.full((16,), 1 / 3).double() + layer.shift.double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_layer_that_onednn_is_slow_at_is_split_in_two():
    layer = QuantizedConv(block(288, 384, kernel=3, stride=2), torch.ones(288).double(), torch.ones(288).double())
    assert layer.levels.numel() > SLOW_STRIDED_WEIGHTS
    with torch.inference_mode():
        levels = torch.zeros(1, 288, 35, 35, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
        assert layer(levels).shape == (1, 384, 17, 17)
    assert len(layer.parts) == 2


def test_levels_and_activations():
    levels = torch.arange(LEVELS + 1, dtype=torch.uint8)
    assert torch.equal(ToLevels()(FromLevels()(levels)), levels)
    found = ToLevels()(torch.tensor([0.4, 1.6, 300.0], dtype=torch.bfloat16))
    assert found.tolist() == [0, 2, LEVELS]


@pytest.mark.parametrize(("stride", "padding"), [(2, 0), (1, 1)])
@pytest.mark.parametrize("size", [7, 8])
def test_max_pool_of_uint8(stride, padding, size):
    pool = nn.MaxPool2d(3, stride=stride, padding=padding)
    x = torch.randint(0, 256, (2, 5, size, size), dtype=torch.uint8)
    assert torch.equal(MaxPool(pool)(x).float(), pool(x.float()))


def test_a_network_whose_batch_norms_do_not_describe_its_activations_is_refused():
    network = random_network("inception-2015")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.bias.data.fill_(-11.7)  # the same function, with statistics of a ReLU that is nearly always off
            module.running_mean.data.fill_(-11.7)
    with pytest.raises(ValueError, match="batch norms do not describe"):
        QuantizedInception(network)

import pytest
import torch
from torch import nn

from classifiers.layers.direct_conv import DirectConv3d


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "padding": (0, 1, 1)},
        {"kernel_size": 3, "groups": 4, "dilation": 2},
        {"kernel_size": 3, "padding": "same"},
    ],
)
@pytest.mark.parametrize("is_channels_last", [True, False])
def test_results_equal_those_of_torch(options, bias, is_channels_last):
    torch.manual_seed(0)
    conv = nn.Conv3d(4, 8, bias=bias, **options)
    clip = torch.randn(1, 4, 6, 9, 9)
    if is_channels_last:
        clip = clip.to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        expected, names = conv(clip), list(conv.state_dict())
        DirectConv3d.replace(conv)
        found = conv(clip)
        reduced = conv.bfloat16()(clip.bfloat16())
    assert isinstance(conv, DirectConv3d)
    assert list(conv.state_dict()) == names
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(reduced.float(), expected, atol=0.1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("clip_type", [torch.float32, torch.bfloat16])
def test_reduced_weights_take_clips_of_either_type(clip_type, bias):
    """Under autocast some layers give fp32, such as 3D pooling; the next convolution reduces it."""
    torch.manual_seed(0)
    conv = nn.Conv3d(4, 8, 3, padding=1, bias=bias).bfloat16()
    clip = torch.randn(1, 4, 6, 9, 9).to(clip_type)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = conv(clip)
        DirectConv3d.replace(conv)
        found = conv(clip)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)


def test_without_onednn_torch_computes_the_convolution(monkeypatch):
    conv = nn.Conv3d(3, 4, 3)
    clip = torch.randn(1, 3, 4, 8, 8)
    expected = conv(clip)
    DirectConv3d.replace(conv)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(torch, "mkldnn_convolution", None)
    assert torch.allclose(conv(clip), expected, atol=1e-5)


def test_other_padding_is_refused():
    with pytest.raises(ValueError, match="padding_mode is 'reflect'"):
        DirectConv3d.replace(nn.Conv3d(1, 1, 3, padding=1, padding_mode="reflect"))

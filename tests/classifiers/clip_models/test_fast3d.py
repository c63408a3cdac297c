from __future__ import annotations

import pytest
import torch

from classifiers.clip_models.fast3d import FastConv
from classifiers.clip_models.registry import build_clip_model
from tests.support import clip_parity


@pytest.mark.parametrize(
    ("order", "key"),
    [("hw-tw-th", "sequential_hw_tw_th"), ("hw-th-tw", "sequential_hw_th_tw"), ("split", "split_sum")],
)
def test_the_convolution_equals_its_definition(order: str, key: str) -> None:
    convolution = FastConv(6, 8, order=order).eval()
    unexpected = convolution.load_state_dict(clip_parity.arrays("fast3d"), strict=False).unexpected_keys
    assert unexpected == []
    seed = clip_parity.MANIFEST["fast3d"]["input"]["seed"]
    with torch.inference_mode():
        found = convolution(torch.from_numpy(clip_parity.weights.gaussian(seed, 1, 6, 5, 9, 11)))[0]
    assert clip_parity.error(found, clip_parity.golden("fast3d")[key]) < clip_parity.TOLERANCE


def test_with_equal_channels_it_has_as_many_weights_as_a_full_kernel() -> None:
    convolution = FastConv(16, 16, order="split")
    assert sum(weight.numel() for weight in convolution.parameters() if weight.ndim == 5) == 16 * 16 * 27


@pytest.mark.parametrize("order", ["hw-tw-th", "hw-th-tw", "split"])
def test_every_order_strides_all_three_directions_once(order: str) -> None:
    convolution = FastConv(3, 4, order=order, stride=2)
    assert convolution(torch.randn(2, 3, 8, 10, 12)).shape == (2, 4, 4, 5, 6)


@pytest.mark.parametrize("order", ["hw-tw-th", "hw-th-tw", "split"])
def test_without_activation_outputs_may_be_negative(order: str) -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 3, 4, 5, 5)
    assert FastConv(3, 4, order=order, linear=True)(values).min() < 0
    assert FastConv(3, 4, order=order)(values).min() >= 0


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ValueError, match=r"order must be one of hw-th-tw, hw-tw-th, split, got 'th'"):
        build_clip_model("fast3d-18", num_classes=2, options={"order": "th"})

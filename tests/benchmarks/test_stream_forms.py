"""The benchmarks of exported stream networks, on a narrow one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.core_limits import DEPTHWISE, OTHER_CONVOLUTIONS, demand_of, time_shares
from benchmarks.exported_actions import last_logits
from benchmarks.exported_forms import ONNX_FP32, ONNX_INT8, TORCH_BF16, TORCH_FP32, RunningForm, running_forms
from benchmarks.stream_forms import milliseconds
from classifiers.inference.clip_classifier import clip_model_of
from tests.support.exports import plain_stream

CLIPS = np.random.default_rng(0).integers(0, 256, (2, 4, 32, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def forms():
    before = torch.get_num_threads()
    yield running_forms(plain_stream(), CLIPS)
    torch.set_num_threads(before)


def test_all_forms_are_one_network(forms: dict[str, RunningForm]) -> None:
    assert list(forms) == [TORCH_FP32, TORCH_BF16, ONNX_FP32, ONNX_INT8]
    logits = {name: last_logits(form.network, CLIPS) for name, form in forms.items()}
    exact = logits[TORCH_FP32]
    assert exact.shape == (2, 4)
    spread = float(exact.std())
    np.testing.assert_allclose(logits[ONNX_FP32], exact, rtol=0, atol=1e-4 * spread)
    for name in (TORCH_BF16, ONNX_INT8):
        assert 0 < np.abs(logits[name] - exact).max() < spread, name
    assert forms[TORCH_BF16].size_bytes * 2 == forms[TORCH_FP32].size_bytes


def test_each_form_has_its_time(forms: dict[str, RunningForm]) -> None:
    found = milliseconds(forms, CLIPS[0], rounds=1)
    assert found.keys() == forms.keys()
    assert all(value > 0 for by_part in found.values() for value in by_part.values())


@pytest.mark.heavy
def test_what_a_frame_asks_for_is_counted(forms: dict[str, RunningForm]) -> None:
    model = clip_model_of(plain_stream())
    demand = demand_of(model)
    assert demand.weight_bytes == 4 * sum(value.numel() for value in model.parameters())
    assert 0 < demand.depthwise_share < 0.5
    # Each weight of the head multiplies once: a small part of all.
    assert demand.operations > 2 * model.head.weight.numel()
    state = sum(value.numel() * value.element_size() for value in model.initial_state(1).values())
    assert demand.state_bytes == 2 * state
    for name in (ONNX_FP32, ONNX_INT8):
        shares = time_shares(forms[name].content)
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares[DEPTHWISE], shares[OTHER_CONVOLUTIONS]) > 0

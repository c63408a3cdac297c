from __future__ import annotations

import pytest
import torch

from classifiers.layers.cpu_dropout import CpuDropout


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_are_kept_at_the_rate_and_scaled(rate: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ones = torch.ones(400, 500, dtype=dtype, requires_grad=True)
    dropped = CpuDropout(rate)(ones)
    dropped.sum().backward()
    kept = dropped != 0
    assert dropped.dtype == dtype
    assert kept.float().mean().item() == pytest.approx(1 - rate, abs=0.005)
    torch.testing.assert_close(dropped[kept], torch.full_like(dropped[kept], 1 / (1 - rate)))
    assert torch.equal(ones.grad, dropped)


def test_seeded_and_off_in_evaluation() -> None:
    values, dropout = torch.randn(20, 30), CpuDropout(0.5)
    torch.manual_seed(1)
    once = dropout(values)
    torch.manual_seed(1)
    assert torch.equal(dropout(values), once)
    assert not torch.equal(dropout(values), once)
    assert torch.equal(dropout.eval()(values), values)

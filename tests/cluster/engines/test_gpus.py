"""Where there is no driver of a GPU, torch is not asked."""

from __future__ import annotations

import pytest
import torch

from cluster.engines import gpus


@pytest.mark.parametrize(("device", "count"), [("/dev/null", 2), ("/dev/none-such", 0)])
def test_torch_counts_where_a_driver_shows(device: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "DEVICES", (device,))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert gpus.gpu_count() == count

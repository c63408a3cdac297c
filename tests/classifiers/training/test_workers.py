"""A training with one worker communicates with itself."""

from __future__ import annotations

import torch
from torch import nn

from classifiers.training.workers import SingleWorker


def test_the_only_worker_gathers_its_own_value() -> None:
    value = {"loss": 1.5}
    gathered = SingleWorker().gather(value)
    assert gathered == [value]
    assert gathered[0] is value
    assert SingleWorker().rank == 0


def test_buffers_are_unchanged() -> None:
    model = nn.BatchNorm1d(3).train()
    model(torch.randn(8, 3))
    before = {name: value.clone() for name, value in model.named_buffers()}
    SingleWorker().share_buffers(model)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())

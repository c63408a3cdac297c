"""The devices that a test runs on: the CPU everywhere, and a GPU where torch sees one."""

import pytest
import torch

DEVICES = [
    pytest.param(torch.device("cpu"), id="cpu"),
    pytest.param(torch.device("cuda"), id="cuda", marks=pytest.mark.cuda),
]

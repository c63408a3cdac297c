"""GPUs of this machine. torch counts them, and is imported only where there may be any."""

from __future__ import annotations

import os
import sys

# What the drivers of GPUs show: NVIDIA's, that of its Jetson boards, AMD's, that of Windows' Linux.
DEVICES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")


def gpu_count() -> int:
    """How many GPUs torch can use."""
    if sys.platform == "linux" and not any(map(os.path.exists, DEVICES)):
        return 0
    import torch

    return torch.cuda.device_count()

"""DIS optical flow with OpenCV, the only file that imports it.

In: the first and the second frames, grey uint8 (N, H, W). Out: float32 (N, 2, H, W), as of `extractors.flow.tvl1`.

Source: Kroeger et al., "Fast optical flow using dense inverse search" (arXiv:1603.03590), in OpenCV's preset `FAST`,
its default.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

EXTRA = "pip install 'framemill[flow]'"


def opencv_library() -> Any:
    """The package `cv2`, or an error that names the extra to install."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(f"--flow dis is computed by the package cv2 (OpenCV), which is missing: {EXTRA}") from error
    return cv2


def dis_flow(first: Tensor, second: Tensor) -> Tensor:
    """The flow (N, 2, H, W) from `first` to `second`, (N, H, W) each."""
    cv2 = opencv_library()
    cv2.setNumThreads(1)  # videos are decoded side by side
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    pairs = zip(first.numpy(), second.numpy(), strict=True)
    fields = np.stack([method.calc(before, after, None) for before, after in pairs])  # (N, H, W, 2)
    return torch.from_numpy(fields).permute(0, 3, 1, 2)

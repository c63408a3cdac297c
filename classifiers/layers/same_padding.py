"""TensorFlow's SAME padding: n steps to n / stride, rounded up; odd padding has its extra zero at the end.

In and out: (N, C, T, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """The numbers of zeros before and after `size` steps."""
    size = int(size)  # of a network that is traced for export, sizes are tensors
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def pad_same(values: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Pad T, H and W of `values` with zeros for a convolution or pooling with `kernel` and `stride`."""
    sizes = zip(values.shape[2:], kernel, stride, strict=True)
    amounts = [amount for size in reversed(list(sizes)) for amount in same_padding(*size)]
    return F.pad(values, amounts) if any(amounts) else values

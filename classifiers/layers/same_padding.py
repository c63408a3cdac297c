"""TensorFlow's SAME padding: n steps in, n / stride out (rounded up), and where the padding is odd, more of it behind.

In and out: (N, C, T, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many zeros go before and behind `size` steps."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def pad_same(values: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """`values` with zeros around T, H and W, as a convolution or pooling of that kernel and stride wants them."""
    sizes = zip(values.shape[2:], kernel, stride, strict=True)
    amounts = [amount for size in reversed(list(sizes)) for amount in same_padding(*size)]
    return F.pad(values, amounts) if any(amounts) else values

"""A device to measure on: rates of calls, of matrix products, of copies from the host, and peak memory.

A part of `gpu_all.py` is a function from a `Bench` to rows, which it yields as it measures them: whoever takes them may
stop between two. A row that fails, such as for want of memory, has the key `error`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch

from extractors.networks.cpu_precision import has_cpu_bf16
from extractors.networks.frame_transfer import GROUP_FRAMES
from extractors.networks.sizes import IMAGE_SIZE

MATRIX_SIZES = {"cuda": (4096, 8192, 16384), "cpu": (1024,)}
WARM_UP_CALLS = 1
ERROR_CHARACTERS = 90

Row = dict[str, Any]


class Bench:
    """A device, and how long to measure each figure on it; a toy tries the scripts out."""

    def __init__(self, device: torch.device, seconds: float, *, is_toy: bool = False) -> None:
        self.device, self.seconds, self.is_toy = device, seconds, is_toy
        self.is_cuda = device.type == "cuda"
        self.precisions = ["fp32", *(["bf16", "fp16"] if self.is_cuda else ["bf16"] * has_cpu_bf16())]

    @cached_property
    def peak(self) -> float:
        """Operations a second of the best bf16 matrix product, the yardstick of all networks."""
        return self.matrix_flops_per_second()

    def figures(self, items: int, flops_per_item: float, make: Callable[[], Callable[[], object]]) -> Row:
        """Items/s of the call that `make` returns, which processes so many `items`, and its share of the peak."""
        if self.is_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            rate = items * self.calls_per_second(make())
        except RuntimeError as error:  # out of memory, or the device has no such kernel
            return {"error": str(error).splitlines()[0][:ERROR_CHARACTERS]}
        return {
            "items_per_second": rate,
            "of_peak": rate * flops_per_item / self.peak,
            **({"peak_gib": torch.cuda.max_memory_allocated(self.device) / 2**30} if self.is_cuda else {}),
        }

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def calls_per_second(self, call: Callable[[], object]) -> float:
        """Calls a second, queued one after another."""
        for _ in range(WARM_UP_CALLS):
            call()
        self.synchronize()
        count, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < self.seconds or count == 0:
            call()
            count += 1
            if count % 8 == 0:
                self.synchronize()  # else the queue takes calls long after the time is up
        self.synchronize()
        elapsed = time.perf_counter() - start
        return count / elapsed

    def matrix_flops_per_second(self) -> float:
        """Operations a second of the best bf16 matrix product."""
        best = 0.0
        for size in MATRIX_SIZES[self.device.type]:
            left, right = (torch.randn(size, size, device=self.device).bfloat16() for _ in range(2))
            best = max(best, 2 * size**3 * self.calls_per_second(lambda a=left, b=right: a @ b))  # type: ignore[misc]
        return best

    def copy_bytes_per_second(self, *, pinned: bool) -> float:
        """Rate of copies from the host of as many pixels as a group of cut frames has."""
        host = torch.zeros(GROUP_FRAMES["cuda"], 2 * IMAGE_SIZE, 2 * IMAGE_SIZE, 3, dtype=torch.uint8)
        host = host.pin_memory() if pinned and self.is_cuda else host
        there = torch.empty_like(host, device=self.device)
        return host.numel() * self.calls_per_second(lambda: there.copy_(host, non_blocking=True))

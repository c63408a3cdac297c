"""Precision of inference on this CPU. The processor is asked itself: a driver that plans need not import torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

NAMES = ("auto", "bf16", "fp16", "fp32", "int8")
CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_tile"})
INT8_FLAG = "avx512_vnni"


def resolve_cpu_precision(precision: str) -> str:
    """The precision by name, if this CPU has it; `auto` is its fastest one that is accurate enough."""
    if precision == "auto":
        return "bf16" if has_cpu_bf16() else "fp32"
    if precision not in NAMES:
        raise ValueError(f"precision {precision!r} is unknown; allowed are {', '.join(NAMES)}")
    if precision == "fp16":
        raise ValueError("precision 'fp16' needs CUDA; on a CPU use bf16 or fp32")
    if precision == "int8" and not has_cpu_int8():
        raise ValueError("precision 'int8' needs a CPU with AVX-512 VNNI and torch with oneDNN; use auto")
    return precision


def has_cpu_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware."""
    return not BF16_FLAGS.isdisjoint(cpu_flags())


def has_cpu_int8() -> bool:
    """Whether this CPU multiplies int8 in hardware, and torch has oneDNN's quantised convolution."""
    if INT8_FLAG not in cpu_flags():
        return False
    import torch

    return hasattr(torch.ops.onednn, "qconv2d_pointwise")


@cache
def cpu_flags() -> frozenset[str]:
    """The instruction sets of the first processor; none where the system does not tell (others than Linux on x86)."""
    return frozenset(_described("flags").split())


def cpu_name() -> str:
    """The processor's model, with its instruction sets; empty where the system does not tell."""
    return f"{_described('model name')}: {' '.join(sorted(cpu_flags()))}" if cpu_flags() else ""


def _described(name: str) -> str:
    try:
        with CPU_INFO.open() as lines:
            found = (line.partition(":") for line in lines)
            return next((value.strip() for key, _, value in found if key.strip() == name), "")
    except OSError:
        return ""

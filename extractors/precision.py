"""The arithmetic a network runs in: which precisions a device has, and which one `auto` means there.

`auto` is bf16 where the device multiplies it in hardware (AVX-512 BF16 or AMX on CPUs, compute capability 8.0 and up on
CUDA), else fp16 on CUDA and fp32 on CPUs. On a cluster of mixed machines resolve it once and name it, since two
precisions are two fingerprints.
"""

from __future__ import annotations

import torch

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def resolve_device(device: str) -> torch.device:
    """`auto` to CUDA where there is one, else the CPU; any other name as torch knows it."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; allowed are auto, cpu, cuda, cuda:N")
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, and torch {torch.__version__} sees no CUDA device here")
    return resolved


def resolve_precision(precision: str, device: torch.device) -> str:
    """`auto` to the fastest precision of the device that is accurate enough; others are checked and kept."""
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
        return "bf16" if has_cpu_bf16() else "fp32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; allowed are auto, {', '.join(PRECISIONS)}")
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision 'fp16' needs CUDA; on a CPU take bf16 or fp32")
    return precision


def has_cpu_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))

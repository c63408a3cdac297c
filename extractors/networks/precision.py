"""Precision of network inference: the precisions of each device, and the choice of `auto`.

`auto` is bf16 where the device multiplies it in hardware (AVX-512 BF16 or AMX on CPUs, compute capability 8.0 or higher
on CUDA), otherwise fp16 on CUDA and fp32 on CPUs. On a cluster of mixed machines it should be resolved once and given
by name, since each precision has its own fingerprint. `int8` is for the frame network on CPUs with VNNI and never the
choice of `auto`: its error is six times that of bf16 (`quantized_form`). The audio network then runs in the precision
that `auto` chooses.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.networks.cpu_precision import resolve_cpu_precision

# The data type of the layers; int8 takes float32 and uses other types inside.
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "int8": torch.float32}


def resolve_device(device: str) -> torch.device:
    """The device by name; `auto` is CUDA if available, otherwise the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; allowed are auto, cpu, cuda, cuda:N")
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device {device!r} is not available: torch {torch.__version__} finds no CUDA; use cpu or auto"
        )
    return resolved


def resolve_precision(precision: str, device: torch.device) -> str:
    """The precision by name, checked against the device; `auto` is its fastest one that is accurate enough."""
    if device.type == "cpu":
        return resolve_cpu_precision(precision)
    if precision == "auto":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; allowed are auto, {', '.join(PRECISIONS)}")
    if precision == "int8":
        raise ValueError("precision 'int8' needs a CPU with AVX-512 VNNI and torch with oneDNN; use auto")
    return precision


def resolve_audio_precision(precision: str, device: torch.device) -> str:
    """`resolve_precision` for the audio network, which has no int8 form and runs in `auto` instead."""
    return resolve_precision("auto" if precision == "int8" else precision, device)


def require_finite(outputs: Tensor | NDArray[Any]) -> None:
    """Raise `FloatingPointError` for what a network returns in a precision that is too small for it."""
    if not torch.as_tensor(outputs).isfinite().all():
        raise FloatingPointError("the network returned numbers that are not finite: give another --precision")


def configure_torch(device_name: str, precision_name: str, threads: int | None) -> tuple[torch.device, str]:
    """Apply the process-wide settings of torch and resolve device and precision; `threads` None keeps the default."""
    if threads is not None:
        torch.set_num_threads(threads)
    device = resolve_device(device_name)
    precision = resolve_precision(precision_name, device)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        # TF32 has ten bits of mantissa, less than fp32 implies; bf16, too, has layers in fp32 (`inference_form`).
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device, precision

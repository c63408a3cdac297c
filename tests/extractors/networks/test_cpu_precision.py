"""The processor says the same of itself as torch does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from extractors.networks import cpu_precision
from extractors.networks.cpu_precision import cpu_flags, cpu_name, has_cpu_bf16, has_cpu_int8, resolve_cpu_precision


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the system says of its processor."""
    monkeypatch.setattr(cpu_precision, "CPU_INFO", tmp_path / "cpuinfo")
    cpu_flags.cache_clear()
    yield tmp_path / "cpuinfo"
    cpu_flags.cache_clear()


def test_torch_agrees() -> None:
    assert has_cpu_bf16() == (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    assert has_cpu_int8() == torch.cpu._is_vnni_supported()


def test_flags_decide(processor: Path) -> None:
    processor.write_text("processor : 0\nmodel name : Some CPU\nflags\t\t: fpu avx2\n\nprocessor : 1\nflags : x\n")
    assert cpu_name() == "Some CPU: avx2 fpu"
    assert not has_cpu_bf16()
    assert resolve_cpu_precision("auto") == "fp32"
    with pytest.raises(ValueError, match="VNNI"):
        resolve_cpu_precision("int8")


def test_a_system_that_does_not_tell_has_neither(processor: Path) -> None:
    assert cpu_name() == ""
    assert resolve_cpu_precision("auto") == "fp32"


@pytest.mark.parametrize(("name", "message"), [("fp8", r"allowed are auto, bf16"), ("fp16", "needs CUDA")])
def test_what_no_cpu_has_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_cpu_precision(name)

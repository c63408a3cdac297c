import numpy as np
import pytest
import torch

from extractors.networks.cpu_precision import has_cpu_bf16, has_cpu_int8
from extractors.networks.precision import (
    configure_torch,
    require_finite,
    resolve_audio_precision,
    resolve_device,
    resolve_precision,
)

CPU = torch.device("cpu")


def test_auto_resolves_to_the_fastest_precision_of_the_cpu():
    assert resolve_precision("auto", CPU) == ("bf16" if has_cpu_bf16() else "fp32")


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_named_precisions_are_kept(precision):
    assert resolve_precision(precision, CPU) == precision


def test_unknown_precisions_list_the_known_ones():
    with pytest.raises(ValueError, match=r"'fp8'.*auto, bf16, fp16, fp32, int8"):
        resolve_precision("fp8", CPU)


def test_int8_needs_a_cpu_with_vnni():
    if has_cpu_int8():
        assert resolve_precision("int8", CPU) == "int8"
    else:
        with pytest.raises(ValueError, match="VNNI"):
            resolve_precision("int8", CPU)
    with pytest.raises(ValueError, match="needs a CPU"):
        resolve_precision("int8", torch.device("cuda"))


def test_with_int8_frames_audio_uses_the_fastest_other_precision():
    assert resolve_audio_precision("int8", CPU) == resolve_precision("auto", CPU)
    assert resolve_audio_precision("fp32", CPU) == "fp32"


def test_half_precision_needs_cuda():
    with pytest.raises(ValueError, match="needs CUDA"):
        resolve_precision("fp16", CPU)


def test_devices():
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="'meta' is not supported"):
        resolve_device("meta")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_takes_bf16_where_it_multiplies_it(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda")) == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_layers_in_fp32_on_a_gpu_are_without_tf32(precision, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # settings of torch need no GPU
    before = torch.backends.cuda.matmul.allow_tf32
    with torch.backends.cudnn.flags(enabled=True, deterministic=False, allow_tf32=True):
        torch.backends.cuda.matmul.allow_tf32 = True
        try:
            assert configure_torch("cuda", precision, None) == (torch.device("cuda"), precision)
            assert torch.backends.cudnn.deterministic
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused(value):
    outputs = np.zeros((2, 3), np.float32)
    require_finite(outputs)
    require_finite(torch.from_numpy(outputs))
    outputs[1, 2] = value
    for refused in (outputs, torch.from_numpy(outputs)):
        with pytest.raises(FloatingPointError, match="give another --precision"):
            require_finite(refused)

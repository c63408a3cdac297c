from __future__ import annotations

import pytest

from cluster.export.config import ExportOptions
from schemas.errors import InputError


def test_what_does_not_go_together_is_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        ExportOptions.of(checkpoint="c", output="model.bin", precision="int8")
    assert "output must end in .onnx" in str(raised.value)
    assert "needs --calibration" in str(raised.value)
    with pytest.raises(InputError, match="goes with --precision int8"):
        ExportOptions.of(checkpoint="c", output="model.onnx", calibration=("videos/",))


def test_what_litert_does_not_take_is_told_at_once() -> None:
    given = {"checkpoint": "c", "output": "model.onnx", "converter_python": "python", "install_converter": True}
    with pytest.raises(InputError) as raised:
        ExportOptions.of(**given, format="litert", precision="int8", calibration=("videos/",), memory_seconds=5.0)
    for problem in ("must end in .tflite", "in fp32 only", "cannot hold --memory-seconds", "give one of them"):
        assert problem in str(raised.value)
    with pytest.raises(InputError, match="go with --format litert"):
        ExportOptions.of(**given)

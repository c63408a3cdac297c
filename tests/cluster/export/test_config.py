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

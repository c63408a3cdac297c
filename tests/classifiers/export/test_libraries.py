from __future__ import annotations

import builtins
from typing import Any

import pytest

from classifiers.export.exported_file import read_exported
from classifiers.export.libraries import onnx_library, runtime_library
from tests.support.exports import exported, plain_stream


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_is_missing_is_named_with_the_extra_that_brings_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = exported(plain_stream())[1]
    there = builtins.__import__

    def without(name: str, *given: Any) -> Any:
        if name == missing:
            raise ImportError(name)
        return there(name, *given)

    monkeypatch.setattr(builtins, "__import__", without)
    library = onnx_library if missing == "onnx" else runtime_library
    with pytest.raises(ImportError, match=rf"package {missing}, which is missing: pip install 'framemill\[export\]'"):
        library()
    with pytest.raises(ImportError, match=f"package {missing}"):
        read_exported(content)

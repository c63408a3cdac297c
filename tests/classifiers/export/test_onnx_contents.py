from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from classifiers.export import onnx_contents
from classifiers.export.onnx_contents import ExportError, check_contents
from tests.support.exports import exported, plain_stream


@pytest.fixture(scope="module")
def content() -> bytes:
    return exported(plain_stream())[1]


def outside(model: Any) -> None:
    """The values of a tensor are in a file that the network names."""
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")


def outside_in_an_attribute(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.zeros(2, np.float32), "t")
    onnx.external_data_helper.set_external_data(tensor, "../secret.bin")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["c"], value=tensor))


def outside_in_a_sparse_tensor(model: Any) -> None:
    tensor = onnx.TensorProto(name="values", data_location=onnx.TensorProto.EXTERNAL)
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=tensor))


def foreign_operator(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("EPContext", [], ["e"], domain="com.microsoft"))


def loop(model: Any) -> None:
    body = onnx.helper.make_graph([], "body", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", [], ["l"], body=body))


def own_operator(model: Any) -> None:
    model.functions.append(onnx.FunctionProto(name="mine"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (outside, "are in another file"),
        (outside_in_an_attribute, "'t' are in another file"),
        (outside_in_a_sparse_tensor, "'values' are in another file"),
        (foreign_operator, r"'com\.microsoft\.EPContext' is not of the ONNX standard"),
        (loop, "a network within the network, as attribute 'body'"),
        (own_operator, "defines an operator of its own, 'mine'"),
    ],
)
def test_what_no_export_has_is_refused(change: Callable[[Any], None], reason: str, content: bytes) -> None:
    check_contents(content, "x.onnx")
    model = onnx.load_from_string(content)
    change(model)
    with pytest.raises(ExportError, match=rf"^x\.onnx: .*{reason}.*only files that framemill export wrote"):
        check_contents(model.SerializeToString(), "x.onnx")


def test_no_onnx_file(content: bytes, tmp_path: Path) -> None:
    for broken in (b"", b"no onnx", content[: len(content) // 2], b"\x0a" * 100):
        with pytest.raises(ExportError, match=r"^x\.onnx: it is (damaged or )?no ONNX file"):
            check_contents(broken, "x.onnx")


def test_files_beyond_all_networks_are_not_parsed(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_contents, "MAX_FILE_BYTES", len(content) - 1)
    with pytest.raises(ExportError, match=rf"has {len(content):,} bytes, at most"):
        check_contents(content, "x.onnx")

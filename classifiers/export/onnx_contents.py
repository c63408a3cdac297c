"""What an ONNX file may contain before ONNX Runtime is given it: a network of plain operators, complete in itself.

In: the bytes of a file from anybody. Refused are files above `MAX_FILE_BYTES`; tensors whose values lie in another
file, which the runtime would open by the path that the network names; operators outside the ONNX standard, some of
which load files or libraries; and control flow, which can go on for ever. Nothing that `classifiers.export.onnx_file`
writes has any of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from classifiers.export.libraries import onnx_library
from schemas.commands import job

MAX_FILE_BYTES = 1 << 30  # the largest networks have 320 MB
STANDARD_DOMAINS = ("", "ai.onnx")
MAX_SHOWN = 160  # characters of a text in an error message


class ExportError(ValueError):
    """An exported file that cannot be used; the message starts with its name."""


def check_contents(content: bytes, subject: str) -> None:
    """Check a file; error messages start with `subject`.

    Raises:
        ExportError: with the reason why it is refused.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ExportError(f"{subject}: it has {len(content):,} bytes, at most {MAX_FILE_BYTES:,} are read")
    onnx = onnx_library()
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's own exceptions
        raise ExportError(f"{subject}: it is damaged or no ONNX file") from error
    if not model.HasField("graph"):
        raise ExportError(f"{subject}: it is no ONNX file, it has no network")
    problem = next(_problems(model, onnx), None)
    if problem is not None:
        raise ExportError(f"{subject}: {problem}; only files that {job('export_model')} wrote are read")


def _problems(model: Any, onnx: Any) -> Iterator[str]:
    if model.functions:
        yield f"it defines an operator of its own, {shown(model.functions[0].name)}"
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto):
            if message.external_data or message.data_location == onnx.TensorProto.EXTERNAL:
                yield f"the values of {shown(message.name)} are in another file"
        elif isinstance(message, onnx.NodeProto):
            if message.domain not in STANDARD_DOMAINS:
                yield f"operator {shown(f'{message.domain}.{message.op_type}')} is not of the ONNX standard"
        elif isinstance(message, onnx.AttributeProto) and (message.HasField("g") or message.graphs):
            yield f"a network within the network, as attribute {shown(message.name)}"


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all within it, which protobuf itself nests at most 100 deep."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, Sequence) else (value,):
                yield from _messages(part)


def shown(text: str) -> str:
    """Text of a file for an error message: quoted, without control characters, shortened."""
    return ascii(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}...")

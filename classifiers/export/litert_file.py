"""Finishes a LiteRT file: names for its inputs and outputs, and `ExportedModel` in its metadata.

In: a network as `classifiers.export.litert_program` leaves it. Out: the bytes of a file with one signature, whose
inputs and outputs have the names of the form, and a metadata buffer `METADATA_KEY` with JSON. The schema of these files
is TensorFlow Lite's `schema.fbs`, version 3, in the package ai-edge-litert.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.export.form import Form
from schemas import strict_json
from schemas.exports import METADATA_KEY, SCHEMA_VERSION, ExportedModel
from schemas.text import counted

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # of buffers with weights, as the schema has it
EXTRA = "pip install 'framemill[export]'"


def litert_library(module: str) -> Any:
    """A module of the package `ai_edge_litert`, or an error that names the extra to install."""
    try:
        from ai_edge_litert import interpreter, schema_py_generated
    except ImportError as error:
        raise ImportError(
            f"LiteRT files are written and run by the package ai-edge-litert, which is missing: {EXTRA}"
        ) from error
    return {"interpreter": interpreter, "schema": schema_py_generated}[module]


def finished(network: bytes, form: Form, exported: ExportedModel) -> bytes:
    """The file of a network, with the names of its form and what it says of itself."""
    import flatbuffers

    schema = litert_library("schema")

    class Builder(flatbuffers.Builder):  # type: ignore[misc]  # untyped
        """Aligns vectors of bytes, which flatbuffers' Python packs without regard to the schema."""

        def StartVector(self, size: int, count: int, alignment: int) -> Any:  # noqa: N802
            return super().StartVector(size, count, ALIGNMENT if size == 1 else alignment)

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(network))
    (signature,) = model.signatureDefs
    for tensors, kind, names in ((signature.inputs, "args", form.inputs), (signature.outputs, "output", form.outputs)):
        by_name = {f"{kind}_{place}".encode(): name for place, name in enumerate(names)}
        for tensor in tensors:
            tensor.name = by_name.pop(tensor.name)
        assert not by_name  # the program has converted the whole form
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(strict_json.dump(exported).encode(), np.uint8)
    entry.name, entry.buffer = METADATA_KEY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    model.description = f"{exported.model}, {counted(len(exported.class_names), 'class')}"
    builder = Builder(len(network))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def exported_in(content: bytes) -> ExportedModel:
    """What a file that this module has written says of itself; files of others are not read."""
    model = litert_library("schema").Model.GetRootAs(content)
    entries = [model.Metadata(place) for place in range(model.MetadataLength())]
    (buffer,) = (entry.Buffer() for entry in entries if entry.Name() == METADATA_KEY.encode())
    text = model.Buffers(buffer).DataAsNumpy().tobytes().decode()
    return strict_json.load(ExportedModel, text, METADATA_KEY, schema_version=SCHEMA_VERSION)

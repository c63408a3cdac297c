"""Writes a clip classifier as ONNX: its network, with `ExportedModel` in the metadata.

In: an exported form (`classifiers.export.form`). Out: the bytes of a file, opset `OPSET`, whose inputs take any number
of videos, those of stream networks any number of frames. Constants are folded, batch norm into its convolution.

The network is traced (`dynamo=False`), which torch has deprecated but not yet matched: for `movinet-a0-stream` it takes
1.5 s of CPU time and the newer exporter 37 s, nearly all of it arithmetic on symbolic sizes, for the same graph, in
which one frame takes ONNX Runtime 10 % less time. Tracing may turn a size into a constant unnoticed; that is why files
are tried at other sizes than that of the trace (`classifiers.export.agreement`).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

import torch

from classifiers.export.form import Form, StreamForm
from classifiers.export.libraries import onnx_library
from schemas import strict_json
from schemas.exports import METADATA_KEY, ExportedModel
from schemas.text import counted

OPSET = 20
TRACED_VIDEOS, TRACED_FRAMES = 2, 3
VIDEOS_AXIS, FRAMES_AXIS = "videos", "frames_of_part"


def versions() -> dict[str, str]:
    """Of the libraries that write files."""
    return {"torch": str(torch.__version__), "onnx": str(onnx_library().__version__)}


def network_file(form: Form) -> bytes:
    """The network alone."""
    onnx_library()
    axes: dict[str, dict[int, str]] = {name: {0: VIDEOS_AXIS} for name in (*form.inputs, *form.outputs)}
    if isinstance(form, StreamForm):
        for name in (form.inputs[0], *form.outputs[:2]):
            axes[name][1] = FRAMES_AXIS
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tracing is deprecated, and makes the sizes of pictures constants
        torch.onnx.export(
            form,
            form.examples(TRACED_VIDEOS, TRACED_FRAMES),
            buffer,  # type: ignore[arg-type]  # as tracing takes one
            dynamo=False,
            opset_version=OPSET,
            input_names=form.inputs,
            output_names=form.outputs,
            dynamic_axes=axes,
        )
    return buffer.getvalue()


def with_metadata(network: bytes, exported: ExportedModel) -> bytes:
    """The file of a network, with what it says of itself."""
    onnx = onnx_library()
    model = onnx.load_from_string(network)
    onnx.helper.set_model_props(model, _metadata(exported))
    model.producer_name = "framemill"
    model.doc_string = f"{exported.model}, {counted(len(exported.class_names), 'class')}"
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _metadata(exported: ExportedModel) -> Mapping[str, str]:
    return {METADATA_KEY: strict_json.dump(exported)}

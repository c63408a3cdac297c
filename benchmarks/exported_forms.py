"""A stream network in each form that scoring can run on one core: torch in fp32 and bf16, ONNX in fp32 and int8.

In: a checkpoint, and clips, uint8 (T, H, W, C), to calibrate int8 on. Out: by name, the runner that scoring would use,
and the size of what is stored: of torch the weights in that precision, of ONNX the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.export.exported_classifier import ExportedClipClassifier
from classifiers.export.exported_file import read_exported
from classifiers.export.form import described, form_of
from classifiers.export.onnx_file import network_file, versions, with_metadata
from classifiers.export.quantization import quantized
from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from classifiers.weights.checkpoint import Checkpoint
from cluster.scoring.backends import StreamRunner
from cluster.scoring.onnx_network import OnnxStreamNetwork
from cluster.scoring.stream_network import StreamNetwork
from schemas.exports import FP32, INT8

VALUE_BYTES = {"fp32": 4, "bf16": 2}
TORCH_FP32, TORCH_BF16, ONNX_FP32, ONNX_INT8 = "torch fp32", "torch bf16", "ONNX fp32", "ONNX int8"
ONNX_FORMS = {ONNX_FP32: FP32, ONNX_INT8: INT8}


@dataclass(frozen=True)
class RunningForm:
    """A form that is set up; `content` is the exported file, where there is one."""

    network: StreamRunner
    size_bytes: int
    content: bytes = b""


def exported_files(checkpoint: Checkpoint, calibration: Iterable[NDArray[np.uint8]]) -> dict[str, bytes]:
    """The exported files of a checkpoint, by the name of their form."""
    form = form_of(clip_model_of(checkpoint))
    network = network_file(form)
    networks = {ONNX_FP32: network, ONNX_INT8: quantized(network, form, calibration)}
    return {
        name: with_metadata(
            content,
            described(form, checkpoint.config, precision=ONNX_FORMS[name], quantization={}, versions=versions()),
        )
        for name, content in networks.items()
    }


def running_forms(checkpoint: Checkpoint, calibration: Iterable[NDArray[np.uint8]]) -> dict[str, RunningForm]:
    """All forms of a checkpoint."""
    trained = TrainedClipClassifier({"c": checkpoint})
    values = sum(value.numel() for value in checkpoint.state.values())
    forms = {
        f"torch {precision}": RunningForm(StreamNetwork(trained, precision), values * size)
        for precision, size in VALUE_BYTES.items()
    }
    for name, content in exported_files(checkpoint, calibration).items():
        network = OnnxStreamNetwork(ExportedClipClassifier({"c": read_exported(content)}))
        forms[name] = RunningForm(network, len(content), content)
    for form in forms.values():
        form.network.setup()
    return forms

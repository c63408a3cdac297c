"""8-bit ONNX networks: static quantisation by ONNX Runtime's own tools, calibrated on clips.

In: a network in fp32 (`classifiers.export.onnx_file`) and clips, uint8 (T, H, W, C). Out: the network with the weights
and inputs of convolutions and matrix products in 8 bits, as pairs of quantising and dequantising operators (QDQ).

Weights are int8, with a scale for each output channel; activations uint8, with the range that the calibration has seen.
States stay float: a buffer is quantised where it enters a convolution, together with the frames that follow it. Batch
norm has been folded before. Processors without VNNI add products of 8 bits in 16 and may saturate there: try the file
on the machine that it is for (`jobs/export_model.py --check`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.export.form import Form, StreamForm
from classifiers.export.libraries import runtime_library

QUANTIZED = ("Conv", "MatMul", "Gemm")
METHOD = "MinMax"


def quantized(network: bytes, form: Form, clips: Iterable[NDArray[np.uint8]]) -> bytes:
    """The network in 8 bits.

    Raises:
        ValueError: without a clip to calibrate on.
    """
    runtime_library()
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # untyped
        """What the tool asks for its next input, until there is none."""

        def __init__(self, feeds: Iterator[Mapping[str, Any]]) -> None:
            self._feeds = feeds
            self.read = 0

        def get_next(self) -> Mapping[str, Any] | None:
            feed = next(self._feeds, None)
            self.read += feed is not None
            return feed

    with TemporaryDirectory() as folder:
        plain, prepared, output = (Path(folder, f"{name}.onnx") for name in ("plain", "prepared", "int8"))
        plain.write_bytes(network)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        reader = Reader(_feeds(network, form, clips))
        try:
            quantization.quantize_static(
                prepared,
                output,
                reader,
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTIZED),
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod[METHOD],
                per_channel=True,
            )
        except ValueError as error:
            if reader.read:
                raise
            raise ValueError("8 bits are calibrated on clips, and there is none") from error
        return output.read_bytes()


def _feeds(network: bytes, form: Form, clips: Iterable[NDArray[np.uint8]]) -> Iterator[Mapping[str, Any]]:
    """The inputs to calibrate on: of stream networks both halves of each clip, the second with the state in between."""
    session = runtime_library().InferenceSession(network, providers=["CPUExecutionProvider"])
    state = {key: value.numpy() for key, value in zip(form.inputs[1:], form.examples(1)[1:], strict=True)}
    for clip in clips:
        middle = (len(clip) + 1) // 2 if isinstance(form, StreamForm) else len(clip)
        feed = {form.inputs[0]: clip[None, :middle], **state}
        yield feed
        if middle < len(clip):
            following = session.run(form.outputs[2:], feed)
            yield {form.inputs[0]: clip[None, middle:], **dict(zip(form.inputs[1:], following, strict=True))}

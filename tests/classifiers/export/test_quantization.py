from __future__ import annotations

import numpy as np
import onnx
import pytest

from classifiers.export.agreement import excess, random_check
from classifiers.export.form import form_of
from classifiers.export.onnx_file import network_file, with_metadata
from classifiers.export.onnx_session import OnnxSession
from classifiers.export.quantization import quantized
from classifiers.inference.clip_classifier import clip_model_of
from tests.support.exports import exported, plain_stream


def test_convolutions_are_in_8_bits_and_states_stay_float() -> None:
    checkpoint = plain_stream()
    form, plain = exported(checkpoint)
    clips = [clip.numpy() for clip in form.examples(3, 6)[0]]
    network = quantized(network_file(form), form, clips)
    model = onnx.load_from_string(network)
    weights = {one.name: one for one in model.graph.initializer}
    kinds = [weights[name].data_type for node in model.graph.node for name in node.input if name in weights]
    assert kinds.count(onnx.TensorProto.INT8) > 10
    assert [one.name for one in model.graph.input] == form.inputs
    assert all(one.type.tensor_type.elem_type != onnx.TensorProto.UINT8 for one in model.graph.input[1:])
    described = OnnxSession(plain).exported
    check = random_check(form, OnnxSession(with_metadata(network, described)))
    assert check.max_difference > 0
    assert excess(check, "int8", 0.0) == []
    assert excess(check, "fp32", 0.0)  # 8 bits are not exact


def test_without_clips_nothing_is_calibrated() -> None:
    form = form_of(clip_model_of(plain_stream()))
    with pytest.raises(ValueError, match="calibrated on clips"):
        quantized(network_file(form), form, iter(list[np.ndarray]()))

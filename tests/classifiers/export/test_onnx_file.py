from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from classifiers.clip_models.registry import clip_model_names
from classifiers.export.form import form_of
from classifiers.export.libraries import runtime_library
from classifiers.export.onnx_contents import check_contents
from classifiers.export.onnx_file import FRAMES_AXIS, OPSET, VIDEOS_AXIS, network_file
from tests.classifiers.clip_models.test_registry import small
from tests.support.exports import exported, plain_stream

CHEAP = ("movinet-a0", "movinet-a0-stream")


@pytest.mark.parametrize(
    "name", [name if name in CHEAP else pytest.param(name, marks=pytest.mark.heavy) for name in clip_model_names()]
)
def test_every_network_is_the_same_in_onnx_at_other_sizes_than_that_of_the_trace(name: str) -> None:
    form = form_of(small(name))
    content = network_file(form)
    check_contents(content, name)
    session = runtime_library().InferenceSession(content, providers=["CPUExecutionProvider"])
    for videos, frames in ((1, 1), (3, 5)):
        inputs = form.examples(videos, frames)
        with torch.inference_mode():
            expected = [value.numpy() for value in form(*inputs)]
        found = session.run(None, {key: value.numpy() for key, value in zip(form.inputs, inputs, strict=True)})
        assert [value.shape for value in found] == [value.shape for value in expected]
        np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-4 * expected[0].std())


def test_inputs_and_outputs_have_their_names_and_free_sizes() -> None:
    form, content = exported(plain_stream())
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [one.name for one in model.graph.input] == form.inputs
    assert [one.name for one in model.graph.output] == form.outputs
    videos, frames, *_ = (size.dim_param for size in model.graph.input[0].type.tensor_type.shape.dim)
    assert (videos, frames) == (VIDEOS_AXIS, FRAMES_AXIS)
    assert model.opset_import[0].version == OPSET


@pytest.mark.heavy
def test_a_checkpoint_gives_the_same_bytes_every_time() -> None:
    assert exported(plain_stream())[1] == exported(plain_stream())[1]

from __future__ import annotations

import numpy as np
import onnx
import pytest

from classifiers.export.onnx_session import ExportError, OnnxSession
from schemas.exports import METADATA_KEY
from tests.support.clips import trained_clips
from tests.support.exports import exported, plain_stream


@pytest.fixture(scope="module")
def content() -> bytes:
    return exported(plain_stream())[1]


def changed(content: bytes, **properties: str) -> bytes:
    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, properties)
    changed: bytes = model.SerializeToString()
    return changed


def test_the_file_says_what_it_is(content: bytes) -> None:
    checkpoint = plain_stream()
    found = OnnxSession(content).exported
    assert (found.kind, found.input, found.model) == ("stream", "frames", checkpoint.config.model)
    assert (found.class_names, found.weights_sha256) == (
        checkpoint.config.class_names,
        checkpoint.config.weights_sha256,
    )
    assert found.clips == checkpoint.config.clips


def test_parts_with_the_state_in_between_are_the_whole(content: bytes) -> None:
    session = OnnxSession(content)
    form = session.exported.clips.format
    frames = np.random.default_rng(0).integers(0, 256, (2, 7, form.height, form.width, 3), np.uint8)
    whole, _, _ = session.run(frames, session.initial_state(2))
    first, _, state = session.run(frames[:, :3])
    second, _, _ = session.run(frames[:, 3:], state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=0, atol=1e-5)


def test_what_does_not_fit_is_refused(content: bytes) -> None:
    session = OnnxSession(content)
    form = session.exported.clips.format
    frames = np.zeros((1, 2, form.height, form.width, 3), np.uint8)
    with pytest.raises(ValueError, match=f"takes frames of shape .*{form.height}, {form.width}, 3"):
        session.run(frames[:, :, 1:])
    with pytest.raises(ValueError, match="a state belongs to a network"):
        session.run(frames, session.initial_state(2))
    clips = OnnxSession(exported(trained_clips())[1])
    with pytest.raises(ValueError, match="takes clips of shape"):
        clips.run(np.zeros((1, 1, 8, 8, 3), np.uint8))


def test_other_files_are_refused_with_the_reason(content: bytes) -> None:
    with pytest.raises(ExportError, match=r"^x\.onnx: ONNX Runtime cannot load it"):
        OnnxSession(content[: len(content) // 2], "x.onnx")
    with pytest.raises(ExportError, match="only files that jobs/export_model"):
        OnnxSession(changed(content, author="somebody"))
    text = next(one.value for one in onnx.load_from_string(content).metadata_props if one.key == METADATA_KEY)
    later = text.replace('"schema_version": 1', '"schema_version": 2')
    assert later != text
    with pytest.raises(ExportError, match="export the checkpoint again"):
        OnnxSession(changed(content, **{METADATA_KEY: later}))
    with pytest.raises(ExportError, match="inputs and metadata disagree"):
        OnnxSession(changed(content, **{METADATA_KEY: text.replace('"kind": "stream"', '"kind": "clip"')}))

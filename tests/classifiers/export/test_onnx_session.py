from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import onnx
import pytest

from classifiers.export import onnx_session
from classifiers.export.onnx_contents import ExportError
from classifiers.export.onnx_session import OnnxSession
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
    with pytest.raises(ExportError, match=r"^x\.onnx: it is damaged or no ONNX file"):
        OnnxSession(content[: len(content) // 2], "x.onnx")
    with pytest.raises(ExportError, match="only files that framemill export wrote"):
        OnnxSession(changed(content, author="somebody"))
    model = onnx.load_from_string(content)
    model.graph.node[0].op_type = "\x1b[2J"
    with pytest.raises(ExportError, match=r"^x\.onnx: ONNX Runtime cannot load it") as caught:
        OnnxSession(model.SerializeToString(), "x.onnx", is_trial=True)
    assert "\x1b" not in str(caught.value)


def test_a_file_that_also_passes_for_the_runtimes_own_format_is_read_as_onnx(content: bytes) -> None:
    """Or it could hold another network than the one that was checked."""
    unknown_field = bytes([0x9A, 0x06, 0x10, 0]) + b"ORTM" + bytes(11)  # 16 bytes of a field that ONNX lacks
    assert OnnxSession(unknown_field + content, is_trial=True).exported.kind == "stream"


def metadata(content: bytes, **values: Any) -> bytes:
    """The file, with other values in its metadata."""
    (text,) = (one.value for one in onnx.load_from_string(content).metadata_props if one.key == METADATA_KEY)
    return changed(content, **{METADATA_KEY: json.dumps(json.loads(text) | values)})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"schema_version": 2}, "use the release of Framemill that wrote it"),
        ({"kind": "clip"}, r"kind is 'clip', with \d+ tensors of state"),
        ({"precision": "int4"}, "precision is 'int4', allowed: fp32, int8"),
        ({"model": "\x1b[2J"}, "no name of a model"),
        ({"weights_sha256": "../x"}, "not 64 hexadecimal digits"),
        (
            {"class_names": ["a", "b"], "class_indices": [0, 1]},
            "metadata disagree: logits is .* not 2 wide",
        ),
        ({"feature_dim": 3}, "metadata disagree: features is .* not 3 wide"),
        (
            {"state": [{"input": "s", "output": "n", "shape": [1 << 40], "dtype": "float32"}]},
            "state of a video has",
        ),
        ({"state": [{"input": "s", "output": "n", "shape": [-1], "dtype": "float32"}]}, r"shape is \(-1,\)"),
        ({"state": [{"input": "s", "output": "n", "shape": [1], "dtype": "object"}]}, "dtype is 'object'"),
        ({"state": [{"input": "s", "output": "n", "shape": [1], "dtype": "int64"}]}, "inputs differ in 's', 'state"),
    ],
)
def test_metadata_that_are_not_those_of_the_network_are_refused(
    values: dict[str, Any], reason: str, content: bytes
) -> None:
    with pytest.raises(ExportError, match=f"(?s)^x\\.onnx.*{reason}"):
        OnnxSession(metadata(content, **values), "x.onnx", is_trial=True)


def test_frames_of_another_size_than_the_networks_are_refused(content: bytes) -> None:
    exported = OnnxSession(content).exported
    form = replace(exported.clips.format, height=exported.clips.format.height - 1)
    wrong = asdict(replace(exported.clips, format=form))
    with pytest.raises(ExportError, match=r"frames is tensor\(uint8\) \['videos', 'frames_of_part', 32, 40, 3\]"):
        OnnxSession(metadata(content, clips=wrong))


def test_metadata_beyond_all_classes_are_not_parsed(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "MAX_METADATA_CHARACTERS", 100)
    with pytest.raises(ExportError, match=r"its metadata have .* characters, at most 100"):
        OnnxSession(content)

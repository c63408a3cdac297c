from __future__ import annotations

import hashlib
import pickle
from dataclasses import asdict

import numpy as np
import pytest

from classifiers.export.exported_file import read_exported
from classifiers.export.onnx_contents import ExportError
from tests.classifiers.export.test_onnx_session import metadata
from tests.support.clips import FLOW_OPTIONS, trained_clips
from tests.support.exports import exported, plain_stream


@pytest.mark.parametrize("make", [plain_stream, trained_clips])
def test_a_file_alone_is_the_network_of_its_checkpoint(make) -> None:
    checkpoint = make()
    content = exported(checkpoint)[1]
    found = read_exported(content)
    for name in ("model", "options", "class_names", "class_indices", "task", "temperature", "clips", "weights_sha256"):
        assert getattr(found.config, name) == getattr(checkpoint.config, name), name
    assert found.config.level == "clip"
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.name == f"{checkpoint.config.model}@{checkpoint.config.weights_sha256[:12]}-onnx-fp32"
    session = pickle.loads(pickle.dumps(found)).session(1)
    assert session.exported == found.exported
    form = found.exported.clips.format
    logits, _, _ = session.run(np.zeros((1, form.frames, form.height, form.width, 3), np.uint8))
    assert logits.shape[-1] == 4


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"class_indices": [0, 1, 2, 2]}, "class_indices must be distinct"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"task": "segmentation"}, "task is 'segmentation'"),
    ],
)
def test_what_no_checkpoint_may_say_is_refused(values, reason: str) -> None:
    with pytest.raises(ExportError, match=rf"^x\.onnx: .*{reason}"):
        read_exported(metadata(exported(trained_clips())[1], **values), "x.onnx")


def test_clips_of_flow_without_its_method_are_refused() -> None:
    """As in files from before the flow was computed of videos: nothing could be decoded for them."""
    checkpoint = trained_clips("i3d-flow", options=FLOW_OPTIONS, flow="dis")
    content = exported(checkpoint)[1]
    clips = asdict(checkpoint.config.clips)
    assert read_exported(content).config.clips == checkpoint.config.clips
    del clips["format"]["flow"]
    with pytest.raises(ExportError, match=r"2 channels, and no method of the optical flow"):
        read_exported(metadata(content, clips=clips))

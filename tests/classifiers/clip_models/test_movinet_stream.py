from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from classifiers.clip_models.movinet_stream import CausalGate, FrameConv
from classifiers.clip_models.registry import build_clip_model
from classifiers.clip_models.streaming import StreamModel
from classifiers.weights.published_clips import fill
from cluster.training.published_weights import read_published
from tests.fixtures.parity.clips import weights
from tests.support import clip_parity

TENSORFLOW = Path(__file__).parents[2] / "fixtures" / "tensorflow"  # make_movinet.py beside the files
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def frame_by_frame(model: StreamModel, clips: Tensor, length: int = 1) -> Tensor:
    """The logits after each part of `length` frames, (T / length, K) of one video."""
    state, rows = model.initial_state(1, (clips.shape[2], clips.shape[3])), []
    with torch.inference_mode():
        for part in clips.split(length, dim=1):
            logits, state = model.stream(part, state)
            rows.append(logits[0, -1])
    return torch.stack(rows)


@pytest.mark.parametrize("size", ["a0", "a1", "a2"])
def test_published_weights_give_the_published_network(size: str) -> None:
    fixture = f"movinet_{size}_stream"
    model, clips, golden = clip_parity.filled(f"movinet-{size}-stream", fixture), clip_parity.clip(fixture), {}
    golden = clip_parity.golden(fixture)
    assert isinstance(model, StreamModel)
    with torch.inference_mode():
        assert clip_parity.error(model(clips), golden["logits"]) < clip_parity.TOLERANCE
    assert clip_parity.error(frame_by_frame(model, clips), golden["logits_per_frame"]) < clip_parity.TOLERANCE
    assert clip_parity.error(frame_by_frame(model, clips, 2), golden["logits_chunks2"]) < clip_parity.TOLERANCE


def test_the_other_gate_gives_the_other_network() -> None:
    fixture = "movinet_a0_stream"
    model, golden = clip_parity.filled("movinet-a0-stream", fixture, gate="relu6"), clip_parity.golden(fixture)
    with torch.inference_mode():
        logits = model(clip_parity.clip(fixture))
    assert clip_parity.error(logits, golden["logits_gate_relu6"]) < clip_parity.TOLERANCE
    assert clip_parity.error(logits, golden["logits"]) > 0.01


def tensorflow_arrays(name: str) -> dict[str, Tensor]:
    """Stand-in weights by their keys in a checkpoint."""
    shapes = json.loads((TENSORFLOW / f"{name}.json").read_text())
    return {key + SUFFIX: torch.from_numpy(weights.tensor(key, shape, keras=True)) for key, shape in shapes.items()}


def tensorflow_logits(name: str, key: str) -> np.ndarray:
    with np.load(TENSORFLOW / f"{name}.npz") as expected:
        return np.asarray(expected[key])


def narrow(name: str, width_factor: float, **options: object) -> StreamModel:
    options |= {"width_factor": width_factor, "frames": 6, "height": 40, "width": 52}
    model = build_clip_model(name, num_classes=5, options=options).eval()
    assert isinstance(model, StreamModel)
    return model


def tensorflow_clip() -> Tensor:
    return torch.from_numpy(weights.clip_u8(7, 6, 40, 52))[None]


def test_a_larger_network_with_positions_is_tensorflows() -> None:
    name = "movinet_a3_stream"
    model = narrow("movinet-a3-stream", 1 / 8, gate="relu6")
    filled = fill(model, tensorflow_arrays(name))
    assert (filled.layout, filled.left_out) == ("tensorflow/models", ())
    logits = frame_by_frame(model, tensorflow_clip())
    assert clip_parity.error(logits, tensorflow_logits(name, "logits_per_frame")) < clip_parity.TOLERANCE
    arrays = tensorflow_arrays(name)
    without = {key: value * 0 if "_pos_encoding" in key else value for key, value in arrays.items()}
    fill(model, without)
    assert clip_parity.error(frame_by_frame(model, tensorflow_clip()), logits.numpy()) > 0.01


@pytest.mark.parametrize("ending", ["", ".index"])
def test_a_checkpoint_written_by_tensorflow_is_read_without_it(ending: str) -> None:
    model = narrow("movinet-a0-stream", 1 / 16, gate="relu6")
    arrays = read_published(f"{TENSORFLOW}/movinet_a0_stream.ckpt{ending}")
    assert fill(model, arrays).layout == "tensorflow/models"
    expected = tensorflow_logits("movinet_a0_stream", "logits_per_frame")
    assert clip_parity.error(frame_by_frame(model, tensorflow_clip()), expected) < clip_parity.TOLERANCE


def as_trained(key: str, array: Tensor) -> tuple[str, Tensor]:
    """An array as the networks hold it that TensorFlow trains, all of whose convolutions are 3D."""
    if array.ndim < 4:
        return key.replace("/_conv/_conv/", "/_conv/"), array
    array = array.transpose(2, 3) if "depthwise" in key else array  # (h, w, in, out)
    array = array[:, None] if "temporal" in key else array[None]  # (t, h, w, in, out)
    for theirs, ours in (("/_conv/_conv/", "/_conv/"), ("temporal/_conv/", "temporal/"), ("depthwise_", "")):
        key = key.replace(theirs, ours)
    return key, array


def test_both_forms_of_tensorflows_checkpoints_have_the_same_weights() -> None:
    model, other = (narrow("movinet-a3-stream", 1 / 8) for _ in range(2))
    arrays = tensorflow_arrays("movinet_a3_stream")
    fill(model, arrays)
    trained = dict(as_trained(key, array) for key, array in arrays.items())
    assert "model/layer_with_weights-0/layer_with_weights-2/_feature/_conv_temporal/kernel" + SUFFIX in trained
    trained["save_counter" + SUFFIX] = torch.zeros(())
    fill(other, trained)
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_weights_of_the_base_network_start_a_stream_network() -> None:
    fixture = "movinet_a0_base"
    arrays = clip_parity.arrays(fixture)
    model = build_clip_model("movinet-a0-stream", num_classes=600)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    base = clip_parity.filled("movinet-a0", fixture).state_dict()
    filled = fill(model, arrays)
    assert filled.layout == "MoViNet-pytorch"
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        expected = fresh[key] if key in filled.left_out else base[key].reshape(value.shape)
        assert torch.equal(value, expected), key
    # Kernels over time become two, and gates see two means.
    assert "trunk.b0.0.deep.conv.weight" not in filled.left_out
    for left_out in ("trunk.b1.0.deep.conv.weight", "trunk.b1.0.deep.time.conv.weight", "trunk.b0.0.se.fc1.weight"):
        assert left_out in filled.left_out
    assert {key.split(".")[3] for key in filled.left_out} == {"deep", "se"}
    other = build_clip_model("movinet-a0-stream", num_classes=7)
    assert not [key for key in fill(other, arrays, fresh_head=True).left_out if key.startswith("head.")]


def test_frames_after_a_frame_do_not_change_it() -> None:
    layer = FrameConv(4, 4, (3, 3, 3), (1, 2, 2), groups=4).eval()
    values = torch.randn(1, 4, 6, 7, 8)
    changed = values.clone()
    changed[:, :, 3:] = 0
    with torch.inference_mode():
        one, other = layer(values), layer(changed)
    assert one.shape == (1, 4, 6, 4, 4)
    assert torch.equal(one[:, :, :3], other[:, :, :3])
    assert not torch.equal(one[:, :, 3:], other[:, :, 3:])


def test_a_gate_sees_twice_the_channels() -> None:
    gate = CausalGate(344, sigmoid=torch.sigmoid, with_position=True)
    assert (gate.fc1.in_features, gate.fc1.out_features) == (688, 176)
    assert gate(torch.randn(2, 344, 3, 4, 5)).shape == (2, 344, 3, 4, 5)

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.clip_models.movinet_layouts import published_layouts
from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.published_clips import fill
from tests.fixtures.parity.clips import weights
from tests.support import clip_parity

TENSORFLOW = Path(__file__).parents[2] / "fixtures" / "tensorflow"  # make_movinet.py beside the files
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def test_a_base_network_is_tensorflows() -> None:
    shapes = json.loads((TENSORFLOW / "movinet_a0_base.json").read_text())
    options = {"width_factor": 1 / 8, "frames": 6, "height": 40, "width": 52}
    model = build_clip_model("movinet-a0", num_classes=5, options=options).eval()
    arrays = {key + SUFFIX: torch.from_numpy(weights.tensor(key, shape, keras=True)) for key, shape in shapes.items()}
    assert fill(model, arrays).layout == "tensorflow/models"
    with torch.inference_mode():
        logits = model(torch.from_numpy(weights.clip_u8(7, 6, 40, 52))[None])
    with np.load(TENSORFLOW / "movinet_a0_base.npz") as expected:
        assert clip_parity.error(logits, expected["logits"]) < clip_parity.TOLERANCE


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("model/layer_with_weights-0/layer_with_weights-0/_stem/_batch_norm/gamma", "trunk.conv1.norm.weight"),
        ("backbone/layer_with_weights-2/_feature/_batch_norm_temporal/beta", "trunk.b1.0.deep.time.norm.bias"),
        ("model/backbone/layer_with_weights-16/_project/_conv/_conv/kernel", "trunk.conv7.0.conv.weight"),
        ("model/layer_with_weights-1/_classifier/_conv/_conv/bias", "head.bias"),
        ("backbone/layer_with_weights-1/_skip/_projection/_conv/kernel/.OPTIMIZER_SLOT/optimizer/rms", None),
        ("optimizer/learning_rate", None),
        ("save_counter", None),
    ],
)
def test_paths_of_a_checkpoint_are_numbered(theirs: str, ours: str | None) -> None:
    tensorflow = published_layouts("a0")[1]
    assert tensorflow.key_of(theirs + SUFFIX) == ours

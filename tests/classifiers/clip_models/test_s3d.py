from __future__ import annotations

import pytest
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.published_clips import fill
from tests.support import clip_parity
from tests.support.clip_parity import TOLERANCE, error, golden


@pytest.mark.parametrize(
    ("fixture", "layout", "pixels"), [("s3d", "torchvision", "kinetics"), ("s3d_vf", "kylemin/S3D", "unit")]
)
@torch.inference_mode()
def test_weights_of_public_layouts_give_their_logits(fixture: str, layout: str, pixels: str) -> None:
    expected, clip = golden(fixture), clip_parity.clip(fixture)
    model = build_clip_model("s3d", num_classes=400, options={"pixels": pixels}).eval()
    assert fill(model, clip_parity.arrays(fixture)).layout == layout
    features = model.forward_features(model.prepare(clip))
    assert error(features, expected["feat"]) < TOLERANCE
    assert error(model.forward_head(features), expected["logits"]) < TOLERANCE


def test_the_smallest_clip_is_accepted_and_a_smaller_one_refused() -> None:
    options = {"frames": 5, "height": 17, "width": 17, "width_factor": 0.1}
    model = build_clip_model("s3d", num_classes=3, options=options).eval()
    assert model(torch.zeros(2, 5, 17, 17, 3, dtype=torch.uint8)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"frames must be at least 5, got 4; height must be at least 17, got 16"):
        build_clip_model("s3d", num_classes=3, options={"frames": 4, "height": 16})

from __future__ import annotations

import pytest
import torch

from classifiers.clip_models.registry import build_clip_model

SMALL = {"width_factor": 0.125, "height": 75, "width": 75}


def test_features_are_the_mean_over_the_frames() -> None:
    torch.manual_seed(0)
    model = build_clip_model("inception-v3", num_classes=3, options={**SMALL, "frames": 3}).eval()
    clips = torch.randint(0, 256, (2, 3, 75, 75, 3), dtype=torch.uint8)
    with torch.inference_mode():
        found = model.forward_features(model.prepare(clips))
        alone = [model.forward_features(model.prepare(clips[:, place : place + 1])) for place in range(3)]
    assert found.shape == (2, 256)
    torch.testing.assert_close(found, torch.stack(alone).mean(0))


def test_frames_are_squeezed_to_the_size_of_the_input() -> None:
    look = build_clip_model("inception-v3", num_classes=2, options=SMALL).clip_format
    assert (look.frames, look.resize, look.fps) == (1, (75, 75), None)


def test_dense_layers_are_stages() -> None:
    model = build_clip_model("inception-v3", num_classes=2, options={**SMALL, "dense": [8, 4]})
    assert list(model.stages()) == ["inception", "dense_1", "dense_2", "head"]
    assert model.feature_dim == 4


@pytest.mark.parametrize(("option", "value"), [("width_factor", 0.3), ("width_factor", 2.0), ("height", 74)])
def test_sizes_that_cannot_be_are_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=option):
        build_clip_model("inception-v3", num_classes=2, options={**SMALL, option: value})

from __future__ import annotations

import pytest

from classifiers.clip_models.p3d import P3DConfig
from classifiers.clip_models.registry import build_clip_model, clip_model_config


def test_all_invalid_sizes_are_reported_together() -> None:
    with pytest.raises(ValueError, match="frames") as caught:
        P3DConfig(frames=0, width_factor=-0.5, dropout=1.0, kinds=("A", "D"), blocks=(3, 0, 6, 3))
    assert str(caught.value).split("; ") == [
        "frames must be at least 1, got 0",
        "blocks must be at least 1, got 0",
        "width_factor must be above 0, got -0.5",
        "dropout must be at least 0 and below 1, got 1.0",
        "kinds must be one of A, B, C, got 'D'",
    ]


def test_channels_are_scaled_and_at_least_1() -> None:
    config = clip_model_config("r3d-18", {"width_factor": 0.25})
    assert [config.channels(published) for published in (64, 45, 1)] == [16, 11, 1]
    assert build_clip_model("r3d-18", num_classes=2, options={"width_factor": 0.25}).feature_dim == 128


def test_another_size_keeps_the_published_ratio_of_crop_to_frame() -> None:
    look = clip_model_config("r3d-18", {"height": 56, "width": 56, "frames": 8}).clip_format()
    assert (look.frames, look.height, look.width, look.resize) == (8, 56, 56, (64, 85))

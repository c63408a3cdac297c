"""What a configuration of augmentation refuses and knows."""

from __future__ import annotations

import pytest

from classifiers.data.augmentation_config import ClipAugmentationConfig


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(ValueError, match="flip is 2") as refusal:
        ClipAugmentationConfig(flip=2.0, crop_area=(0.9, 0.1), hue=1.0, zoom_factor=(0.0, 1.0))
    for name in ("flip", "crop_area", "hue", "zoom_factor"):
        assert f"{name} is " in str(refusal.value)


def test_colours_and_blur_leave_the_geometry() -> None:
    assert not ClipAugmentationConfig(colour=1.0, blur=1.0).changes_geometry
    assert ClipAugmentationConfig(rotation=0.1).changes_geometry

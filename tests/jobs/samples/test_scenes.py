"""Scenes draw every size, and the same picture for the same second."""

import numpy as np
import pytest

from jobs.samples.scenes import SCENES, scene


@pytest.mark.parametrize("name", sorted(SCENES))
@pytest.mark.parametrize(("width", "height"), [(320, 240), (90, 160), (33, 17)])
def test_every_scene_draws_every_size(name: str, width: int, height: int) -> None:
    draw = SCENES[name](width, height, np.random.default_rng(5))
    for seconds in (0.0, 3.3, 11.9):
        picture = draw(seconds)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
    assert np.array_equal(draw(3.3), draw(3.3)), "drawing must not leave traces in the scene"


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="scene 'plasma' is defined twice"):
        scene("plasma")(SCENES["plasma"])

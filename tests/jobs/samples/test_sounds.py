"""Sounds are loud enough and do not clip."""

import numpy as np
import pytest

from jobs.samples.sounds import SOUNDS, sound


@pytest.mark.parametrize("name", sorted(SOUNDS))
def test_every_sound_is_loud_enough_and_does_not_clip(name: str) -> None:
    wave = SOUNDS[name](4 * 16_000, 16_000, np.random.default_rng(5))
    assert wave.shape == (4 * 16_000,)
    assert wave.dtype == np.float32
    assert 0.3 < np.abs(wave).max() <= 1.0


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="sound 'drone' is defined twice"):
        sound("drone")(SOUNDS["drone"])

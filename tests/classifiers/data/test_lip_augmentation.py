from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from classifiers.data.lip_augmentation import LipAugmentationConfig, augmented

CLIP = np.random.default_rng(0).integers(0, 256, (20, 6, 8, 3), dtype=np.uint8)


def changed(seed: int = 0, least_frames: int = 1, **config: float) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return augmented(CLIP, LipAugmentationConfig(**config), rng, least_frames=least_frames)  # type: ignore[arg-type]


def moved(down: int, right: int) -> NDArray[np.uint8]:
    """The clip, so many pixels further up and left."""
    rows, columns = (np.arange(6) + down).clip(0, 5), (np.arange(8) + right).clip(0, 7)
    return CLIP[:, rows][:, :, columns]


def test_nothing_changes_by_default() -> None:
    np.testing.assert_array_equal(changed(), CLIP)


def test_a_flip_mirrors_all_frames() -> None:
    np.testing.assert_array_equal(changed(flip=1.0), CLIP[:, :, ::-1])
    shares = np.mean([(changed(seed, flip=0.3) != CLIP).any() for seed in range(300)])
    assert shares == pytest.approx(0.3, abs=0.08)


def test_a_shift_moves_all_frames_alike_and_continues_edges() -> None:
    seen = set()
    for seed in range(60):
        shifted = changed(seed, shift=2)
        found = [
            (down, right) for down in range(-2, 3) for right in range(-2, 3) if (shifted == moved(down, right)).all()
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) > 15


def test_frames_are_dropped_and_repeated_in_their_order() -> None:
    lengths = []
    for seed in range(100):
        clip = changed(seed, drop=0.2, repeat=0.1)
        numbers = [int(np.flatnonzero((frame == CLIP).all((1, 2, 3)))[0]) for frame in clip]
        assert numbers == sorted(numbers)
        assert max(np.bincount(numbers)) <= 2
        lengths.append(len(clip))
    assert np.mean(lengths) == pytest.approx(20 * 0.9, abs=0.6)


def test_enough_frames_are_left_for_the_text() -> None:
    assert all(len(changed(seed, least_frames=20, drop=0.5)) >= 20 for seed in range(50))


def test_equal_seeds_give_equal_clips_and_changes_do_not_alter_one_another() -> None:
    np.testing.assert_array_equal(changed(3, flip=0.5, drop=0.3), changed(3, flip=0.5, drop=0.3))
    alone, together = changed(3, drop=0.3), changed(3, drop=0.3, flip=1.0)
    np.testing.assert_array_equal(together, alone[:, :, ::-1])


def test_all_impossible_values_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match="flip is 2, it must be between 0 and 1") as raised:
        LipAugmentationConfig(flip=2, shift=-1, drop=0.9)
    assert str(raised.value).count(";") == 2

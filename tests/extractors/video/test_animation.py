"""Animations are whole WebP files of bounded size."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest

from extractors.video.animation import encode_animation, first_frame
from tests.support.animations import durations_of, size_of


def moving(count: int) -> np.ndarray:
    """A white column that moves over grey frames of 24 x 32."""
    frames = np.full((count, 24, 32, 3), 100, np.uint8)
    for number, frame in enumerate(frames):
        frame[:, 2 * number : 2 * number + 4] = 255
    return frames


def test_an_animation_has_all_frames_at_their_speed_and_repeats() -> None:
    content = encode_animation(moving(5), Fraction(25, 2), max_bytes=1 << 16)
    assert (content[:4], content[8:12]) == (b"RIFF", b"WEBP")
    assert durations_of(content) == [80] * 5
    assert size_of(content) == (32, 24)
    place = content.index(b"ANIM")
    assert content[place + 12 : place + 14] == b"\0\0"  # how often it is played: for ever


def test_the_first_frame_is_a_file_of_its_own() -> None:
    frames = moving(5)
    still = first_frame(encode_animation(frames, Fraction(10), max_bytes=1 << 16))
    with av.open(BytesIO(still)) as container:
        (decoded,) = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
    assert np.abs(decoded.astype(int) - frames[0]).mean() < 8
    equal = encode_animation(frames[:1].repeat(3, axis=0), Fraction(10), max_bytes=1 << 16)
    assert first_frame(equal) == equal


def test_what_does_not_fit_loses_quality_and_then_frames() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    whole = encode_animation(noise, Fraction(8), max_bytes=1 << 20)
    less = encode_animation(noise, Fraction(8), max_bytes=len(whole) - 1)
    assert len(durations_of(less)) == 8
    few = encode_animation(noise, Fraction(8), max_bytes=len(less) // 2)
    assert len(few) <= len(less) // 2
    assert sum(durations_of(few)) == 1000
    assert len(durations_of(few)) < 8
    with pytest.raises(ValueError, match="a frame of 64 x 64 pixels does not fit into 99 bytes"):
        encode_animation(noise, Fraction(8), max_bytes=99)

from __future__ import annotations

import numpy as np
import pytest

from cluster.live.window import Look, Window
from extractors.live.frames import LiveFrame


def frame(number: int, seconds: float, *, lost: int = 0, undecoded: int = 0) -> LiveFrame:
    return LiveFrame(seconds, 1000 + seconds, np.full((1, 1, 3), number, np.uint8), undecoded, lost)


def numbers(look: Look | None) -> list[int] | None:
    return None if look is None else [int(image[0, 0, 0]) for image in look.frames]


def test_a_network_that_looks_at_each_frame_gets_each_alone() -> None:
    window = Window(1, 1.0, passage=7)
    looks = [window.add(frame(number, number / 5, lost=2)) for number in range(4)]
    assert [numbers(look) for look in looks] == [[0], [1], [2], [3]]
    assert looks[3] == Look(looks[3].frames, 0.6, 1000.6, 7) if looks[3] else False
    assert window.rest() is None


def test_clips_are_the_latest_frames_at_every_stride_once_there_are_enough() -> None:
    window = Window(4, 1.0, passage=0)
    looks = {}
    for number in range(20):
        lacking = window.lacking
        look = window.add(frame(number, number / 5))
        assert lacking == max(4 - number, 0)
        if look is not None:
            looks[look.seconds] = numbers(look)
    assert looks == {0.6: [0, 1, 2, 3], 1.6: [5, 6, 7, 8], 2.6: [10, 11, 12, 13], 3.6: [15, 16, 17, 18]}
    assert window.rest() is None


def test_a_point_without_a_frame_shows_the_one_before_it() -> None:
    window = Window(4, 0.2, passage=0)
    for number in range(4):
        window.add(frame(number, number / 5))
    assert numbers(window.add(frame(7, 1.4, lost=2, undecoded=1))) == [3, 3, 3, 7]
    assert numbers(window.add(frame(99, 20.0, lost=90))) == [7, 7, 7, 99]


def test_strides_keep_their_grid_after_a_gap() -> None:
    window = Window(1 + 1, 1.0, passage=0)
    times = [0.0, 0.5, 1.0, 1.5, 4.0, 4.25, 4.5, 5.0, 5.5]
    looks = [window.add(frame(0, seconds)) for seconds in times]
    assert [look.seconds for look in looks if look] == [0.5, 1.5, 4.0, 4.5, 5.5]


@pytest.mark.parametrize(("frames", "shown"), [(1, [0, 0, 0, 0]), (3, [0, 1, 2, 0])])
def test_a_video_shorter_than_a_clip_is_repeated(frames: int, shown: list[int]) -> None:
    window = Window(4, 1.0, passage=0)
    for number in range(frames):
        assert window.add(frame(number, number / 5)) is None
    assert numbers(window.rest()) == shown
    assert Window(4, 1.0, passage=0).rest() is None

"""Previews of mouths from children, or why there is none."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import numpy as np
import pytest

from cluster.clips.mouth_decoder import MouthTask
from cluster.clips.previews import answer, encode, previews_of
from schemas.lips import FIXED, LipInput
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.animations import durations_of
from tests.support.lips import signing
from tests.support.talking import talking, write_frames

FOUND_LOOK = LipInput(height=32, width=64, channels=3)
FIXED_LOOK = LipInput(height=46, width=140, channels=1, crop=FIXED)


def task(path: Path | str, look: LipInput = FIXED_LOOK, name: str = "a") -> MouthTask:
    return MouthTask(video=Video(name, str(path)), look=look, memory_bytes=1 << 30, time_seconds=60.0)


def test_previews_come_from_children_and_a_video_without_a_mouth_has_none(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", signing("ab"))
    grey = task(write_frames(tmp_path / "grey.mp4", [np.full((288, 360, 3), 128, np.uint8)] * 2), name="grey")
    found = previews_of([grey, task(path)], 1, total_seconds=60)
    assert list(found) == ["a"]
    assert sum(durations_of(found["a"])) == 400  # of 10 frames
    assert bytes(answer(task(path).encoded()).payload) == found["a"]
    with pytest.raises(VideoError) as none:
        encode(grey)
    assert none.value.code is FailureCode.NO_FACE
    assert answer(grey.encoded()).header["code"] == "no_face"


def test_a_silent_server_takes_no_longer_than_the_time_of_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        started = time.monotonic()
        assert previews_of([task(uri, name=str(number)) for number in range(4)], 1, total_seconds=2) == {}
        assert time.monotonic() - started < 30  # the limit of one alone is a minute
    assert previews_of([], 2, total_seconds=60) == {}


def test_a_face_is_found_for_it(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", talking([0.0, 0.06, 0.0]))
    assert sum(durations_of(encode(task(path, FOUND_LOOK)).tobytes())) == 160

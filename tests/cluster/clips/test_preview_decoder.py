"""Previews of mouths from children, or why there is none."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from cluster.clips.decoder_pool import PREVIEWS, ClipDecoderPool
from cluster.clips.preview_decoder import PreviewTask, answer, encode
from schemas.lips import FIXED, LipInput
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.animations import durations_of
from tests.support.lips import signing
from tests.support.talking import talking, write_frames

FOUND_LOOK = LipInput(height=32, width=64, channels=3)
FIXED_LOOK = LipInput(height=46, width=140, channels=1, crop=FIXED)


def task(path: Path, look: LipInput = FIXED_LOOK) -> PreviewTask:
    return PreviewTask(video=Video("a", str(path)), look=look, memory_bytes=1 << 30, time_seconds=60.0)


def test_a_preview_comes_from_a_child_and_a_video_without_a_mouth_fails_alone(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", signing("ab"))
    grey = write_frames(tmp_path / "grey.mp4", [np.full((288, 360, 3), 128, np.uint8)] * 2)
    with closing(ClipDecoderPool(1, PREVIEWS)) as pool:
        found, failed = pool.decode([task(path), task(grey)])
    assert isinstance(found, np.ndarray)
    assert sum(durations_of(found.tobytes())) == 400  # of 10 frames
    assert isinstance(failed, VideoError)
    assert failed.code is FailureCode.NO_FACE
    here = task(path).outcome_of(answer(task(path).encoded()))
    assert isinstance(here, np.ndarray)
    assert here.tobytes() == found.tobytes()


def test_a_face_is_found_for_it(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", talking([0.0, 0.06, 0.0]))
    assert sum(durations_of(encode(task(path, FOUND_LOOK)).tobytes())) == 160

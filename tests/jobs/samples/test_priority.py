"""A process that encodes AV1 keeps its priority."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.videos import Clip, write_video


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux has policies")
def test_an_encoder_leaves_the_policy_as_it_was(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    options = {"preset": "12", "svtav1-params": "lp=1"}
    write_video(tmp_path / "clip.mp4", Clip("libsvtav1", frames=8, gop=8, width=96, height=64, options=options))
    assert os.sched_getscheduler(0) == before

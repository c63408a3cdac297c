from __future__ import annotations

import logging

import pytest

from cluster.extraction.early_start import run_extraction
from cluster.runs.lifecycle import ExitCode
from tests.support.extractions import TINY, config
from tests.support.videos import Clip, write_video


@pytest.fixture
def log(caplog):
    """The project's log, captured whatever other tests have made of it."""
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    for name in ("a.mp4", "b.mkv", "line\nbreak.mp4", "sub/c.mp4"):
        write_video(folder / name, Clip(**TINY))
    write_video(folder / "sound.mp4", Clip(**TINY, sound="aac"))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def reference(videos, tmp_path_factory):
    """What a first run leaves: five videos, two failures, two rows a shard."""
    output = tmp_path_factory.mktemp("reference") / "out [1]"
    assert run_extraction(config(videos, output, rows_per_shard=2, max_failure_ratio=0.3)) == ExitCode.DONE
    return output

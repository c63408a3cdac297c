"""Lengths by headers: of whole videos, and of the parts that manifests name."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cluster.engines.tasks import Done, Failed, Task
from cluster.engines.video_worker import VideoWorker
from cluster.engines.wire import pack, unpack
from cluster.extraction.length_probe import Length, LengthProbe
from schemas.outcomes import FailureCode
from schemas.videos import Video
from tests.support.videos import Clip, write_video


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "a.mp4", Clip(frames=75, width=96, height=48))


@pytest.mark.parametrize(
    ("start", "end", "seconds"), [(0, None, 3.0), (1, None, 2.0), (1, 2, 1.0), (1, 9, 2.0), (5, None, 0.0)]
)
def test_the_length_is_that_of_the_wanted_part(path: Path, start: int, end: int | None, seconds: float) -> None:
    probe = pickle.loads(pickle.dumps(LengthProbe(1 << 20)))
    probe.setup()
    assert probe.with_networks({}) == probe
    video = Video("a", str(path), start_seconds=start, end_seconds=end)
    length, others = probe(str(path), video)
    assert (length, others) == (Length(seconds, path.stat().st_size), [])
    assert unpack(probe.result_type, pack(length)) == length


def test_a_file_that_cannot_be_read_is_a_failure(path: Path) -> None:
    worker = VideoWorker(LengthProbe(max_pixels=100), 1 << 30, 60.0)
    failed = worker(Task(Video("a", str(path))))
    assert isinstance(failed, Failed)
    assert failed.code == FailureCode.ABSURD_DIMENSIONS
    assert isinstance(VideoWorker(LengthProbe(1 << 20), 1 << 30, 60.0)(Task(Video("a", str(path)))), Done)

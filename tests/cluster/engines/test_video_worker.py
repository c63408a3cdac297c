"""Whatever a stage does, a task has an outcome."""

from __future__ import annotations

import mmap
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.engines import task_guard
from cluster.engines.base import Resources
from cluster.engines.tasks import Done, Failed, Task
from cluster.engines.video_worker import VideoWorker
from cluster.storage.read_policy import ReadPolicy
from extractors.segments import Segment
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.videos import Video
from tests.support.servers import http_files

OTHERS = [Segment(1, 2, 10, 20)]


def fresh_memory(size: int) -> mmap.mmap:
    """Memory that the process has not held before: what earlier tests have freed would not count."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(b"x" * size)
    return memory


class Reader:
    """A stage that reads a file and does what it says."""

    def __init__(self, networks: Mapping[str, Any] | None = None) -> None:
        self.networks = networks or {}
        self.is_set_up = False

    def with_networks(self, networks: Mapping[str, Any]) -> Reader:
        return Reader(networks)

    def setup(self) -> None:
        self.is_set_up = True

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[str, list[Segment]]:
        word = Path(str(source)).read_text() if isinstance(source, str | Path) else source.read().decode()
        if word == "bad":
            raise VideoError(FailureCode.TRUNCATED, "it ends early", Stage.READ)
        if word == "bug":
            raise ZeroDivisionError("https://user:SECRET@host/ division")
        if word == "slow":
            while True:
                time.sleep(0.001)
        if word == "large":
            held = [fresh_memory(1 << 20) for _ in range(300) if time.sleep(0.001) is None]
            while held:
                time.sleep(0.001)
        return f"{word}, {segment}, {with_thumbnail}", OTHERS if segment is None else []


class Files:
    """A network, as far as its files go."""

    def files(self) -> list[str]:
        return ["a.safetensors", "pca.npz"]


def outcome_of(word: str, folder: Path, task: Task | None = None, **limits: float) -> Done[Any] | Failed:
    (folder / "a.mp4").write_text(word)
    worker = VideoWorker(Reader(), int(limits.get("memory", 1 << 30)), limits.get("seconds", 60.0))
    return worker(task or Task(Video("a", f"{folder}/a.mp4")))


def test_features_and_the_other_segments(tmp_path):
    task = Task(Video("a", f"{tmp_path}/a.mp4"), wants_thumbnail=True)
    assert outcome_of("fine", tmp_path, task) == Done(task, "fine, None, True", tuple(OTHERS))
    task = Task(Video("a", f"{tmp_path}/a.mp4"), OTHERS[0])
    assert outcome_of("fine", tmp_path, task) == Done(task, f"fine, {OTHERS[0]}, False", ())


@pytest.mark.parametrize(
    ("word", "limits", "code", "message"),
    [
        ("bad", {}, FailureCode.TRUNCATED, "it ends early"),
        ("slow", {"seconds": 0.2}, FailureCode.TIME_LIMIT, "one segment of it took more than 0.2 s (--time-limit)"),
        ("large", {"memory": 210 << 20}, FailureCode.MEMORY_LIMIT, "more than 210 MiB (--memory-limit-mib)"),
        ("bug", {}, FailureCode.INTERNAL, "an error in this program: "),
    ],
)
def test_failures(word, limits, code, message, tmp_path, monkeypatch):
    monkeypatch.setattr(task_guard, "GRACE_SECONDS", 600.0)  # however late it stops, this process is not killed
    failed = outcome_of(word, tmp_path, **limits)
    assert isinstance(failed, Failed)
    assert failed.code == code
    assert message in failed.message


def test_an_error_of_ours_comes_with_its_traceback_and_without_secrets(tmp_path):
    failed = outcome_of("bug", tmp_path)
    assert isinstance(failed, Failed)
    assert "ZeroDivisionError" in failed.message
    assert "SECRET" not in failed.message


def test_a_video_is_read_as_far_as_the_policy_allows(tmp_path):
    (tmp_path / "a.mp4").write_text("x" * (2 << 20))
    with http_files(tmp_path) as web:
        task = Task(Video("a", f"{web}/whole/a.mp4"))
        for policy, is_read in ((ReadPolicy(), True), (ReadPolicy(copy_bytes=1 << 20), False)):
            worker = VideoWorker(Reader(), 1 << 30, 60.0, policy)
            for same in (worker, worker.with_networks({}), pickle.loads(pickle.dumps(worker))):
                outcome = same(task)
                assert isinstance(outcome, Done) == is_read
                assert is_read or outcome.code is FailureCode.COPY_LIMIT


def test_resources_files_and_networks_are_those_of_the_stage():
    worker = pickle.loads(pickle.dumps(VideoWorker(Reader({"frames": Files()}), 1 << 30, 60.0)))
    assert worker.resources == Resources(cpus=1, gpus=0, time_limit_seconds=60.0, memory_limit_bytes=1 << 30)
    assert worker.files() == ["a.safetensors", "pca.npz"]
    proxies = {"frames": "a proxy"}
    assert worker.with_networks(proxies).networks == proxies
    worker.setup()
    assert worker.stage.is_set_up

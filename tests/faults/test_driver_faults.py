"""The driver killed at any moment, and a disk without room: nothing is lost, nothing stands twice."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.runs import RunRecord
from tests.support.dataset import ids, job_command, job_environment, rows, run_job
from tests.support.videos import Clip, write_video

VIDEOS = 24
OPTIONS = (
    "--rows-per-shard",
    "2",
    "--frame-features",
    "--segment-seconds",
    "10",
    "--quiet",
    "--max-failure-ratio",
    "1",
)
pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of one to three segments, and two bad files."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(VIDEOS):
        clip = Clip(frames=400 + 80 * (number % 5), rate=16, gop=16, sound="aac", width=160, height=96)
        write_video(folder / f"{number:02d}.mp4", clip)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def reference(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run without trouble makes of them."""
    output = tmp_path_factory.mktemp("reference") / "out"
    done = run_job(videos, output, "--engine", "local", *OPTIONS)
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.parametrize(
    ("engine", "most_kills", "longest_seconds"), [("local", 10, 14.0), ("ray", 10, 14.0), ("beam", 5, 25.0)]
)
def test_a_driver_killed_at_random_moments_loses_nothing(
    engine: str, most_kills: int, longest_seconds: float, videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = (*OPTIONS, "--engine", engine)
    moments = random.Random(7)
    kills = 0
    while kills < most_kills:
        process = subprocess.Popen(job_command(videos, output, *options), env=job_environment())
        try:
            process.wait(moments.uniform(0.5, longest_seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            assert ids(output) == sorted(set(ids(output))), "no committed video is done again"
        else:
            assert process.returncode == 0
            break  # done before the last kill
    assert kills >= 3
    before = ids(output)
    done = run_job(videos, output, *options)
    assert done.returncode == 0, done.stderr
    assert rows(output) == rows(reference)
    assert ids(output, "failures") == ids(reference, "failures")
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]
    assert {path.name for path in output.iterdir()} == {"features", "ledger", "failures", "runs"}
    statuses = Counter(record.status for record in records(output))
    assert statuses["running"] == 0
    assert statuses["completed"] >= 1
    newest = max(records(output), key=lambda record: record.started_at)
    assert newest.counts.extracted == VIDEOS - len(before)


def test_a_full_disk_stops_the_run_and_costs_nothing_that_was_committed(
    videos: Path, reference: Path, tmp_path: Path
) -> None:
    full, copy = tmp_path / "full", tmp_path / "copy"
    full.mkdir()
    job = shlex.join(job_command(videos, full, "--engine", "local", *OPTIONS))
    script = f"mount -t tmpfs -o size=400k tmpfs {full} && {{ {job}; code=$?; cp -r {full} {copy}; exit $code; }}"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=job_environment(), timeout=400)
    assert done.returncode == 1, done.stderr
    assert "cannot be written to: [Errno 28] No space left on device" in done.stderr
    assert "What is committed there stays; mend this and run again" in done.stderr
    committed = ids(copy)
    assert 2 <= len(committed) < VIDEOS
    assert not [path for path in copy.rglob("*") if path.name.startswith(".")]
    for shard in (copy / "features").iterdir():
        pq.read_table(shard)  # each is whole
    again = run_job(videos, copy, "--engine", "local", *OPTIONS)
    assert again.returncode == 0, again.stderr
    assert rows(copy) == rows(reference)
    newest = max(records(copy), key=lambda record: record.started_at)
    assert newest.counts.extracted == VIDEOS - len(committed)


def records(output: Path) -> list[RunRecord]:
    """The records of all runs that came as far as to write one."""
    return [RunRecord.from_json((output / "runs" / name).read_text()) for name in json_files(output)]


def json_files(output: Path) -> list[str]:
    """Names of run records."""
    return [name for name in os.listdir(output / "runs") if name.endswith(".json")]

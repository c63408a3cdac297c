"""Files that crash, hang or bloat the decoder cost themselves alone, and two attempts at most."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.dataset import ids, job_command, job_environment, rows, run_job
from tests.support.poison import (
    decompression_bomb,
    many_packets,
    many_tracks,
    many_traks,
    million_blocks,
    million_samples,
    tagged_duration,
)
from tests.support.videos import Clip, write_video

pytestmark = pytest.mark.heavy

GOOD = [f"good-{number}" for number in range(6)]
LARGE = 16_000  # the largest square picture that libav decodes
ALLOWED = ("--max-pixels", str(LARGE * LARGE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good videos, some of whose names sort before those of the poison and some behind."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in GOOD:
        write_video(folder / f"{name}.mp4", Clip(frames=50, width=96, height=48, sound="aac"))
    return folder


def poisoned(folder: Path, *options: str, code: int = 3) -> dict[str, tuple[object, object]]:
    """Run the job on `folder`; every id must come out once, the good ones whole.

    Gives code and attempts of the failures.
    """
    output = folder.parent / "out"
    done = run_job(folder, output, "--workers", "2", *options)
    assert done.returncode == code, done.stderr
    failures = {str(row["id"]): (row["code"], row["attempts"]) for row in rows(output, "failures")}
    assert sorted([*ids(output), *failures]) == sorted(path.stem for path in folder.iterdir())
    assert all(row["coverage"] == 1 and row["num_frames"] == 2 for row in rows(output) if row["id"] in GOOD)
    assert set(GOOD) <= set(ids(output))
    return failures


def test_absurd_files_are_refused_or_done_within_bounds(folder: Path) -> None:
    decompression_bomb(folder / "bomb.mov", LARGE, frames=3)
    decompression_bomb(folder / "larger-bomb.mov", 16_384, frames=3)
    million_samples(folder / "million-samples.mp4")
    million_samples(folder / "billion-samples.mp4", 4_000_000_000)
    million_blocks(folder / "million-blocks.mkv")
    many_traks(folder / "many-traks.mp4")
    many_tracks(folder / "many-tracks.mkv")
    many_packets(folder / "packets.ts", 20_000)
    tagged_duration(folder / "endless-number.mkv", "0:0:1e999999999999")
    # A quarter of the default limit is more than enough for each of them.
    failures = poisoned(folder, "--memory-limit-mib", "768", "--time-limit", "120")
    assert failures == {
        "bomb": ("absurd_dimensions", 1),
        "larger-bomb": ("absurd_dimensions", 1),
        "many-traks": ("memory_limit", 2),
        "packets": ("no_decodable_frame", 1),
        "billion-samples": ("no_decodable_frame", 1),
    }


def test_a_decompression_bomb_that_is_let_in_meets_the_memory_limit(folder: Path) -> None:
    decompression_bomb(folder / "bomb.mov", LARGE, frames=3)
    failures = poisoned(folder, *ALLOWED, "--memory-limit-mib", "512", "--max-failure-ratio", "0.5", code=0)
    assert failures == {"bomb": ("memory_limit", 2)}


def test_a_file_that_decodes_for_ever_meets_the_time_limit(folder: Path) -> None:
    decompression_bomb(folder / "endless.mov", LARGE // 2, frames=800)  # of which memory has room for several
    assert poisoned(folder, *ALLOWED, "--time-limit", "8") == {"endless": ("time_limit", 2)}


@pytest.mark.parametrize(("engine", "name"), [("ray", "SIGSEGV"), ("ray", "SIGKILL"), ("local", "SIGSEGV")])
def test_a_file_whose_decoder_crashes_is_given_up_after_two_attempts(engine: str, name: str, folder: Path) -> None:
    program = {"ray": b"WorkerActor", "local": b"task_process"}[engine]
    poison = decompression_bomb(folder / "crash.mov", LARGE, frames=200)
    output = folder.parent / "out"
    job = subprocess.Popen(
        job_command(folder, output, "--engine", engine, "--workers", "2", *ALLOWED),
        env=job_environment(),
        stderr=subprocess.DEVNULL,
    )
    is_over = threading.Event()
    killed: set[int] = set()

    def crash_whoever_decodes_it() -> None:
        while not is_over.wait(0.05):
            for process in readers_of(poison, program) - killed:
                killed.add(process)
                os.kill(process, getattr(signal, name))

    watcher = threading.Thread(target=crash_whoever_decodes_it)
    watcher.start()
    try:
        assert job.wait(timeout=300) == 3
    finally:
        is_over.set()
        watcher.join()
    assert len(killed) == 2
    (failure,) = rows(output, "failures")
    assert (failure["id"], failure["code"], failure["attempts"]) == ("crash", "worker_died", 2)
    assert ids(output) == GOOD


def readers_of(path: Path, program: bytes) -> set[int]:
    """Processes that run `program` and have `path` open."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            if not process.name.isdecimal() or program not in (process / "cmdline").read_bytes():
                continue
            if str(path) in map(os.readlink, (process / "fd").iterdir()):
                found.add(int(process.name))
        except OSError:
            continue  # it has ended
    return found

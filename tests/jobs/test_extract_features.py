"""The job as its users run it: on Ray, killed, hung, resumed, submitted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clusters import command_of, descendants
from tests.support.dataset import RANDOM_WEIGHTS, ROOT, ids, job_command, job_environment, messages, rows, run_job
from tests.support.job_server import RAY, running_job_server, wait_until
from tests.support.servers import http_files
from tests.support.tars import pack
from tests.support.videos import Clip, write_video

SMALL = {"width": 96, "height": 48}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten good videos of different kinds, one of them long enough for three segments, and three bad files."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(6):
        write_video(folder / f"plain-{number}.mp4", Clip(frames=50 + 10 * number, sound="aac", **SMALL))
    write_video(folder / "long.mp4", Clip(frames=240, rate=8, gop=16, sound="aac", **SMALL))
    write_video(folder / "silent.mkv", Clip(frames=60, **SMALL))
    write_video(folder / "turned.mov", Clip(frames=40, rotation=90, sound="aac", **SMALL))
    (folder / "deeper").mkdir()
    write_video(folder / "deeper" / "old.avi", Clip(codec="mpeg4", frames=45, sound="libmp3lame", **SMALL))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video\n" * 50)
    whole = (folder / "plain-0.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def reference(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the local engine makes of them."""
    output = tmp_path_factory.mktemp("reference") / "out"
    done = run_job(videos, output, "--engine", "local", "--frame-features", "--segment-seconds", "10")
    assert done.returncode == 3, done.stderr  # three of thirteen failed
    return output


def test_bad_files_are_rows_with_a_reason(reference: Path) -> None:
    codes = {row["id"]: row["code"] for row in rows(reference, "failures")}
    assert codes == {"cut": "truncated", "empty": "empty", "text": "not_media"}
    assert len(ids(reference)) == 10


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="Ray"),
        pytest.param(
            ("--pools", "apart", "--workers", "1", "--embed-workers", "1"),
            id="Ray with two pools",
            marks=pytest.mark.heavy,
        ),
        pytest.param(("--engine", "beam"), id="Beam"),
    ],
)
def test_every_engine_gives_the_rows_of_the_local_one_to_the_bit(
    options: tuple[str, ...], videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = run_job(videos, output, "--frame-features", "--segment-seconds", "10", "--log-format", "json", *options)
    assert done.returncode == 3, done.stderr
    assert "random weights, as requested: " in messages(done.stderr)  # every line is ours
    assert rows(output) == rows(reference)
    assert ids(output, "failures") == ids(reference, "failures")
    assert {path.name for path in output.iterdir()} == {"features", "ledger", "failures", "runs"}


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ["ray", "beam"])
def test_every_engine_gives_them_for_a_tar_on_a_server(
    engine: str, videos: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    paths = [path for path in sorted(videos.rglob("*")) if path.is_file()]
    pack(tmp_path / "web.tar", paths, videos)
    output = tmp_path / "out"
    with http_files(tmp_path) as web:
        options = ("--frame-features", "--segment-seconds", "10", "--engine", engine)
        done = run_job(f"{web}/web.tar", output, *options)
    assert done.returncode == 3, done.stderr
    assert [{**row, "uri": ""} for row in rows(output)] == [{**row, "uri": ""} for row in rows(reference)]
    codes = {row["id"]: row["code"] for row in rows(output, "failures")}
    assert codes == {"cut": "truncated", "empty": "empty", "text": "not_media"}
    assert len(list((tmp_path / "cache" / "tars").iterdir())) == 1


@pytest.mark.heavy
def test_a_second_run_does_only_what_is_missing(videos: Path, reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    write_video(folder / "new.mp4", Clip(frames=30, **SMALL))
    output = tmp_path / "out"
    shutil.copytree(reference, output)
    before = {file.name: file.stat().st_mtime_ns for file in (output / "features").iterdir()}
    done = run_job(folder, output, "--engine", "local", "--frame-features", "--segment-seconds", "10")
    assert done.returncode == 0, done.stderr
    assert ids(output) == sorted([*ids(reference), "new"])
    assert before.items() <= {file.name: file.stat().st_mtime_ns for file in (output / "features").iterdir()}.items()
    record = newest_record(output)
    assert record["counts"]["extracted"] == 1
    assert record["counts"]["already_done"] == 13


@pytest.mark.heavy
def test_a_mended_file_leaves_the_failures(videos: Path, reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    shutil.copy(folder / "plain-1.mp4", folder / "cut.mp4")
    output = tmp_path / "out"
    shutil.copytree(reference, output)
    options = ("--engine", "local", "--frame-features", "--segment-seconds", "10")
    done = run_job(folder, output, *options)
    assert done.returncode == 0, done.stderr
    assert "cut" in ids(output)
    assert ids(output, "failures") == ["empty", "text"]


@pytest.mark.heavy
def test_a_killed_driver_loses_nothing(videos: Path, reference: Path, tmp_path: Path) -> None:
    options = ("--rows-per-shard", "2", "--frame-features", "--segment-seconds", "10")
    for attempt in range(5):  # until the kill comes in the middle, on a machine of any load
        output = tmp_path / f"out-{attempt}"
        command = job_command(videos, output, "--workers", "1", *options)
        process = subprocess.Popen(command, env=job_environment(), stderr=subprocess.DEVNULL)
        wait_until(lambda folder=output / "features": len(list(folder.glob("*.parquet"))) >= 2)
        process.kill()
        process.wait()
        committed = ids(output)
        if len(committed) < 10:
            break
    assert 2 <= len(committed) < 10
    done = run_job(videos, output, *options)
    assert done.returncode in (0, 3), done.stderr
    assert rows(output) == rows(reference)
    assert ids(output, "failures") == ids(reference, "failures")
    assert newest_record(output)["counts"]["extracted"] == 10 - len(committed)
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]


def test_a_terminated_driver_keeps_what_is_done(videos: Path, tmp_path: Path) -> None:
    for attempt in range(5):  # until the signal comes in the middle, on a machine of any load
        output = tmp_path / f"out-{attempt}"
        command = job_command(videos, output, "--engine", "local", "--workers", "1", "--rows-per-shard", "1")
        process = subprocess.Popen(command, env=job_environment(), stderr=subprocess.DEVNULL)
        wait_until(lambda folder=output / "features": len(list(folder.glob("*.parquet"))) >= 2)
        process.terminate()
        if process.wait(timeout=60) == 130 and len(ids(output)) < 10:
            break
    assert process.returncode == 130
    record = newest_record(output)
    assert record["status"] == "interrupted"
    assert 2 <= record["counts"]["extracted"] == len(ids(output)) < 10
    assert not (output / "lease.json").exists()


@pytest.mark.heavy
def test_killed_workers_are_replaced_and_nothing_is_lost(videos: Path, reference: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ("--rows-per-shard", "1", "--frame-features", "--segment-seconds", "10")
    process = subprocess.Popen(job_command(videos, output, *options), env=job_environment(), stderr=subprocess.DEVNULL)
    wait_until(lambda: (output / "features").is_dir() and len(ids(output)) >= 2)
    killed, *_ = workers_of(process)
    os.kill(killed, signal.SIGKILL)
    assert process.wait(timeout=300) in (0, 3)
    assert rows(output) == rows(reference)
    assert ids(output, "failures") == ids(reference, "failures")


@pytest.mark.heavy
def test_a_video_that_takes_too_long_is_given_up_and_harms_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "b", "d"):
        write_video(folder / f"{name}.mp4", Clip(frames=30, **SMALL))
    # Ten minutes of pictures, each of them wanted: far more than the limit allows.
    write_video(folder / "c.mp4", Clip(frames=600, rate=1, **SMALL))
    output = tmp_path / "out"
    done = run_job(folder, output, "--time-limit", "5", "--segment-seconds", "600", "--workers", "2")
    assert done.returncode == 3, done.stderr
    assert ids(output) == ["a", "b", "d"]
    (failure,) = rows(output, "failures")
    assert (failure["id"], failure["code"], failure["attempts"]) == ("c", "time_limit", 2)


@pytest.mark.heavy
def test_a_worker_that_is_stuck_is_killed_and_its_video_tried_again(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    folder = tmp_path / "videos"
    folder.mkdir()
    copies = 16  # small ones, so that no other comes near the time limit on a busy machine
    for number in range(copies):
        shutil.copy(videos / "plain-0.mp4", folder / f"copy-{number}.mp4")
    options = ("--rows-per-shard", "1", "--time-limit", "6", "--workers", "1")
    process = subprocess.Popen(job_command(folder, output, *options), env=job_environment(), stderr=subprocess.DEVNULL)
    wait_until(lambda: (output / "features").is_dir() and len(ids(output)) >= 1)
    (stuck,) = workers_of(process)
    os.kill(stuck, signal.SIGSTOP)
    assert process.wait(timeout=300) == 0
    assert len(ids(output)) == copies
    assert not command_of(stuck)


@pytest.mark.heavy
def test_a_video_that_eats_memory_is_given_up_and_harms_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "b", "d"):
        write_video(folder / f"{name}.mp4", Clip(frames=30, **SMALL))
    # All frames are wanted, so that it stays beyond the limit for seconds.
    big = Clip(frames=3, rate=1, width=8192, height=8192, options={"preset": "ultrafast"})
    write_video(folder / "c.mp4", big)
    output = tmp_path / "out"
    done = run_job(folder, output, "--memory-limit-mib", "192", "--workers", "2")
    assert done.returncode == 3, done.stderr
    assert ids(output) == ["a", "b", "d"]
    (failure,) = rows(output, "failures")
    assert (failure["id"], failure["attempts"]) == ("c", 2)
    assert failure["code"] in ("memory_limit", "worker_died")  # the latter where it went beyond twice the limit at once


def test_bad_options_stop_before_any_work_with_all_problems(tmp_path: Path) -> None:
    done = run_job(tmp_path / "nowhere", tmp_path / "out", "--fsp", "2", "--rows-per-shard", "many")
    assert done.returncode == 2
    assert "did you mean --fps?" in done.stderr
    assert "--rows-per-shard takes a whole number, not 'many'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_weights_say_what_to_bring(videos: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "jobs" / "extract_features.py"), "--input", str(videos)]
    command += ["--output", str(tmp_path / "out"), "--engine", "local", "--quiet"]
    environment = {
        **job_environment(),
        "FRAMEMILL_CACHE": str(tmp_path / "cache"),
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    assert done.returncode == 2
    for name in ("pt_inception-2015-12-05-6726825d.pth", "yt8m_pca.tgz", "vggish-10086976.pth"):
        assert f"curl -fL --create-dirs -o {tmp_path / 'cache' / name} http" in done.stderr


@pytest.fixture
def job_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that reaches a Ray head with its job server and token."""
    with running_job_server(tmp_path) as environment:
        yield environment


def test_ray_job_submit(videos: Path, reference: Path, job_server: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [
        RAY,
        "job",
        "submit",
        "--working-dir",
        str(ROOT),
        "--",
        "python",
        "jobs/extract_features.py",
    ]
    command += ["--input", str(videos), "--output", str(output), *RANDOM_WEIGHTS]
    command += ["--frame-features", "--segment-seconds", "10", "--log-format", "json", "--max-failure-ratio", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=job_server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(output) == rows(reference)
    assert newest_record(output)["machine"]["engine"] == "ray"
    assert re.search(r'"event": "progress"', done.stdout)


@pytest.mark.heavy
def test_a_place_that_ray_deletes_after_the_job_is_refused(
    videos: Path, job_server: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    command = [RAY, "job", "submit", "--working-dir", str(folder), "--"]
    command += job_command(videos, "features/")
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=job_server)
    assert done.returncode != 0, done.stdout
    assert re.search(
        r"error: --output must not be in /.+/_ray_pkg_\w+, which Ray deletes after the job: give a URI, or the "
        r"absolute path of a folder that all machines share, not 'features/'",
        done.stdout,
    ), done.stdout


def newest_record(output: Path) -> dict[str, dict[str, object]]:
    record: dict[str, dict[str, object]] = json.loads(max((output / "runs").glob("*.json")).read_text())
    return record


def workers_of(job: subprocess.Popen[bytes]) -> list[int]:
    """Worker processes of the Ray that a job has started; those of another job on this machine are left alone."""
    return [process for process in descendants(job.pid) if "ray::WorkerActor" in command_of(process)]

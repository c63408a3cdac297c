"""The job as users run it: killed in mid-run and taken up again, on Ray as on this machine; training on its clips."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cut_runs import rows
from tests.support.dataset import ROOT, job_environment
from tests.support.trainings import SMALL
from tests.support.videos import Clip, write_video

VIDEOS = 6
LABELS = ("run", "walk")


def command(inputs: Path, output: Path, *options: object) -> list[str]:
    given = ["--annotations", inputs / "list.csv", "--videos", inputs / "videos", "--output", output / "clips.csv"]
    cut = ["--cut", "exact", "--clips", output / "clips", "--tfrecords", output / "records", *options]
    return list(map(str, [sys.executable, ROOT / "jobs" / "cut_clips.py", *given, *cut]))


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=500, env=job_environment(), check=False)


def files(folder: Path) -> dict[str, str]:
    """Hashes of the outputs by their names."""
    found = [*folder.glob("clips/*"), *folder.glob("records/**/*.tfrecord"), folder / "clips.csv"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "videos").mkdir()
    lines = ["id,label,start_frame,end_frame"]
    for number in range(VIDEOS):
        write_video(folder / "videos" / f"v{number}.mp4", Clip(frames=40, gop=12, b_frames=2, sound="aac"))
        lines += [f"v{number},{label},{start},{start + 11}" for label, start in zip(LABELS, (3, 20), strict=True)]
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def reference(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("reference")
    done = run(command(inputs, output, "--engine", "local"))
    assert done.returncode == 0, done.stderr
    assert "completed: 12 clips of 2 classes from 6 videos" in done.stderr
    return output


def test_a_run_that_was_killed_is_taken_up(inputs: Path, reference: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(inputs, tmp_path, "--engine", "local"), stderr=subprocess.DEVNULL, env=job_environment()
    )
    done = tmp_path / "clips.csv.cuts" / "videos"
    deadline = time.monotonic() + 300
    while not (done.is_dir() and any(done.glob("*.json"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len(list(done.glob("*.json")))
    assert finished > 0
    assert not (tmp_path / "clips.csv").exists()
    again = run(command(inputs, tmp_path, "--engine", "local"))
    assert again.returncode == 0, again.stderr
    assert "done before" in again.stderr
    assert files(tmp_path) == files(reference)


@pytest.mark.heavy
def test_ray_gives_the_same_to_the_bit(inputs: Path, reference: Path, tmp_path: Path) -> None:
    done = run(command(inputs, tmp_path, "--workers", 2))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == files(reference)


@pytest.mark.heavy
def test_a_classifier_is_trained_on_the_clips_and_no_group_is_divided(reference: Path, tmp_path: Path) -> None:
    splits: dict[str, set[str]] = {}
    for row in rows(reference / "clips.csv"):
        splits.setdefault(row["group"], set()).add(row["split"])
    assert len(splits) == VIDEOS
    assert all(len(each) == 1 for each in splits.values())
    options = ["--model", "c3d", "--model-options", *SMALL, "--epochs", 1, "--batch-size", 2, "--engine", "local"]
    places = ["--videos", reference / "clips.csv", "--output", tmp_path / "classifier", "--without-pictures"]
    done = run(list(map(str, [sys.executable, ROOT / "jobs" / "train_classifier.py", *places, *options])))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "classifier" / "model.safetensors").is_file()


def test_bad_input_is_told_and_nothing_is_touched(inputs: Path, tmp_path: Path) -> None:
    done = run(command(tmp_path, tmp_path, "--engine", "local"))
    assert done.returncode == 2
    assert "list.csv" in done.stderr
    assert not list(tmp_path.iterdir())

"""The job as a user runs it: on a terminal, in a log, on a camera's stream."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips
from tests.support.dataset import ROOT, job_environment
from tests.support.streams import rtp_packets, rtsp_stream
from tests.support.terminal import Display, TerminalProcess
from tests.support.videos import Clip, write_video

OPTIONS = {"frames": 4, "height": 32, "width": 32, "width_factor": 0.25}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained_clips("movinet-a0-stream", options=OPTIONS))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "v.mp4", Clip(frames=50))


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "jobs" / "watch.py"), "--precision", "fp32", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, env=job_environment(), check=False
    )


def table_of(display: Display) -> list[str]:
    """The lines from the title of the table on."""
    titles = [number for number, line in enumerate(display.lines) if line.startswith(("v.mp4", "…", "/"))]
    return display.lines[titles[-1] :] if titles else []


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), pytest.param(34, 7, marks=pytest.mark.heavy)])
def test_a_terminal_shows_one_table_that_changes_in_its_place(
    columns: int, rows: int, checkpoint: str, video: Path
) -> None:
    job = TerminalProcess(
        command("--checkpoint", checkpoint, "--source", video, "--loop"), job_environment(), columns, rows
    )
    try:
        job.read_until(lambda display: any("latency" in line for line in table_of(display)))
        first, scrolled = table_of(job.display), len(job.display.history)
        job.read_until(lambda display: any(line.startswith("0:00:02") for line in table_of(display)))
        second = table_of(job.display)
        assert len(job.display.history) == scrolled
        assert "\n".join(job.display.lines).count("latency") == 1
        assert first != second
        labels = [line.split()[:3] for line in second[3:]]
        assert len(labels) == min(4, rows - 4)
        assert {name for name, _, _ in labels} == {"Class"}
        scores = [float(score) for _, _, score in labels]
        assert scores == sorted(scores, reverse=True)
        if rows > 10:
            assert sum(scores) == pytest.approx(1, abs=0.01)
        job.press("\x03")
        assert job.wait() == 130
        text = "\n".join([*job.display.history, *job.display.lines])
        assert "interrupted: 0:00:0" in text.replace("\n", "")
        assert "^C" not in text, "the last table is drawn over it"
        assert (job.display.has_cursor, job.display.wraps) == (True, True)
    finally:
        job.close()


@pytest.mark.heavy
def test_a_stream_of_a_camera_is_shown_line_by_line_and_recorded(checkpoint: str, tmp_path: Path) -> None:
    record = tmp_path / "r.parquet"
    with rtsp_stream(rtp_packets(), [range(75)]) as address:
        done = run(
            *("--checkpoint", checkpoint, "--source", address, "--record", record, "--top-k", 2, "--reconnects", 0)
        )
    assert done.returncode == 1, done.stderr
    assert "the stream ended" in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    assert "failed: 0:00:02 of rtsp://***@127.0.0.1" in done.stderr
    lines = done.stdout.splitlines()
    assert 2 <= len(lines) <= 7
    assert all("Class" in line and "latency" in line for line in lines[1:])
    frame = pd.read_parquet(record)
    assert list(frame.columns) == ["time", "seconds", "index", "name", "score"]
    assert frame.groupby("seconds").size().unique().tolist() == [2]
    assert frame["seconds"].max() == pytest.approx(2.8)
    assert set(frame["name"]) <= {f"Class {place}" for place in range(4)}


def test_lines_of_json_for_programs(checkpoint: str, video: Path) -> None:
    done = run("--checkpoint", checkpoint, "--source", f"file://{video}", "--log-format", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["event"] for line in lines} == {"labels"}
    assert lines[-1]["frames"] == 10
    assert lines[-1]["results"] + lines[-1]["dropped"] == 10
    assert len(lines[-1]["labels"]) == 4
    assert "completed: " in json.loads(done.stderr.splitlines()[-1])["message"]


@pytest.mark.heavy
def test_whoever_reads_the_lines_may_go(checkpoint: str, video: Path) -> None:
    job = subprocess.Popen(
        command("--checkpoint", checkpoint, "--source", video, "--loop"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=job_environment(),
    )
    assert job.stdout is not None
    job.stdout.readline()
    job.stdout.close()
    assert job.stderr is not None
    errors = job.stderr.read()
    assert job.wait(60) == 130
    assert "interrupted: " in errors
    assert "Broken" not in errors
    assert "Traceback" not in errors


def test_a_camera_that_does_not_answer(checkpoint: str) -> None:
    done = run("--checkpoint", checkpoint, "--source", "rtsp://viewer:secret-word@127.0.0.1:1/live")
    assert done.returncode == 2
    assert "rtsp://***@127.0.0.1:1/live: it refuses the connection" in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr

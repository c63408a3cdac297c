"""Files whose headers claim days and weeks: rows as any, in the memory of any other video."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.claims import long_avi, long_mp4
from tests.support.dataset import job_command, job_environment, rows
from tests.support.videos import Clip, write_video

pytestmark = pytest.mark.heavy

MAX_MIB = 1_300  # of the driver, or of a worker: networks take most of it
# The kernel counts the memory of the process that starts another as the other's: this one is small.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def test_claims_of_days_cost_no_memory_and_no_other_video(tmp_path: Path) -> None:
    folder, output = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    write_video(folder / "good.mp4", Clip(frames=50, width=96, height=48, sound="aac"))
    long_mp4(folder / "days.mp4", 900_000)
    long_avi(folder / "week.avi", 600_000)
    long_mp4(folder / "month.mp4", 2_700_000)
    options = ("--engine", "local", "--frame-features", "--memory-limit-mib", "512", "--segment-seconds", "50000")
    command = job_command(folder, output, *options, "--max-failure-ratio", "0.5", "--quiet")
    measured = [sys.executable, "-c", MEASURED, *command]
    done = subprocess.run(measured, env=job_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < MAX_MIB << 10  # of the largest of all processes, in KiB
    stored = pq.read_table(output / "features", columns=["id", "num_frames"]).to_pydict()
    frames = dict(zip(stored["id"], stored["num_frames"], strict=True))
    assert frames == {"days": 899_999, "good": 2, "week": 600_000}
    assert {row["id"]: row["code"] for row in rows(output, "failures")} == {"month": "too_long"}

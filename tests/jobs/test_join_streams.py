"""The job as a user runs it."""

import subprocess
import sys

from tests.support.dataset import ROOT


def test_it_says_what_is_no_checkpoint(tmp_path):
    words = ["--rgb", "a", "--flow", "b", "--output", "c"]
    job = [sys.executable, str(ROOT / "jobs" / "join_streams.py"), *words]
    done = subprocess.run(job, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 2
    assert "there is no checkpoint" in done.stderr

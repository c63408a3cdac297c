"""The job as a user runs it."""

import subprocess
import sys
from pathlib import Path

from tests.support.dataset import ROOT


def test_it_says_which_folder_is_no_training(tmp_path: Path) -> None:
    job = [sys.executable, str(ROOT / "jobs" / "compare_trainings.py"), "--trainings", "a", "b", "--output", "c.html"]
    done = subprocess.run(job, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: {name} holds no training.json: it is not the output of a finished training" for name in "ab"
    ]

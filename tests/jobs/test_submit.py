"""The job's help; what it does is tested in tests/cluster/deploy/test_submission.py."""

from __future__ import annotations

import subprocess
import sys

from tests.support.dataset import ROOT


def test_help_needs_no_cluster_and_no_command() -> None:
    command = [sys.executable, str(ROOT / "jobs" / "submit.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-- python jobs/nightly.py" in done.stdout

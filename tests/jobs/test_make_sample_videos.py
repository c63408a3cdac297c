"""The job that writes sample videos, from its command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.make_sample_videos import main


def test_the_job_runs_as_a_file_and_refuses_an_empty_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(__file__).parents[2] / "jobs" / "make_sample_videos.py"
    help_text = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert "default: 36" in help_text.stdout
    main(["--output", str(tmp_path), "--count", "1"])
    assert str(tmp_path / "manifest.csv") in capsys.readouterr().out
    main(["--output", f"file://localhost{tmp_path}/a%20folder", "--count", "1"])
    assert str(tmp_path / "a folder" / "manifest.csv") in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--output", "gs://bucket/samples"])
    assert "--output must be a local folder, not 'gs://bucket/samples'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--output", str(tmp_path), "--count", "0"])
    assert "--count must be at least 1, not 0" in capsys.readouterr().err

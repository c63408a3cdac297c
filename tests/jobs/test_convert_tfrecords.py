import subprocess
import sys

import pyarrow.parquet as pq

from tests.dataset import ROOT
from tests.parity import FOLDER


def job(*arguments):
    command = [sys.executable, str(ROOT / "jobs" / "convert_tfrecords.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_converts_as_a_user_runs_it(tmp_path):
    done = job("--input", FOLDER / "video_level.tfrecord", "--output", tmp_path, "--to", "parquet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 files with 12 videos written, 0 files were there already"
    assert pq.read_table(tmp_path / "features" / "video_level.parquet").num_rows == 12


def test_a_wrong_input_exits_with_2(tmp_path):
    done = job("--input", tmp_path / "none", "--output", tmp_path, "--to", "parquet")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr

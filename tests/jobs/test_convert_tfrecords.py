import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.dataset import ROOT
from tests.support.features import some_rows
from tests.support.parity import FOLDER

JOB = str(ROOT / "jobs" / "convert_tfrecords.py")


def job(*arguments, packages=None):
    """The job's outcome, with the installed packages or with those in a folder alone."""
    alone = {"PYTHONPATH": str(packages)} if packages else {}
    command = [sys.executable, *(["-S"] if packages else []), JOB, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **alone})


@pytest.fixture
def packages_without_tensorflow(tmp_path):
    """What is installed but for the tensorflow extra."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith("tensorflow"):
            (folder / path.name).symlink_to(path)
    return folder


def test_it_converts_as_a_user_runs_it(tmp_path):
    done = job("--input", FOLDER / "video_level.tfrecord", "--output", tmp_path, "--to", "parquet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "1 file with 12 videos written, 0 were there already"
    assert pq.read_table(tmp_path / "features" / "video_level.parquet").num_rows == 12


def test_a_wrong_input_exits_with_2(tmp_path):
    done = job("--input", tmp_path / "none", "--output", tmp_path, "--to", "parquet")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("to", ["parquet", "tfrecord"])
def test_without_tensorflow_it_says_what_to_install(packages_without_tensorflow, tmp_path, to):
    source = FOLDER / "video_level.tfrecord" if to == "parquet" else some_rows(tmp_path)
    done = job("--input", source, "--output", tmp_path / "out", "--to", to, packages=packages_without_tensorflow)
    assert done.returncode == 2
    assert done.stderr == "error: .tfrecord files need another library: pip install 'framemill[tensorflow]'\n"

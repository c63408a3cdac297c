import subprocess
import sys

from cluster.datasets.manifest import read_videos
from tests.cluster.datasets.test_manifest_job import classes
from tests.support.dataset import ROOT


def job(*arguments):
    command = [sys.executable, str(ROOT / "jobs" / "make_manifest.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_makes_a_manifest_as_a_user_runs_it(tmp_path):
    output = tmp_path / "manifest.csv"
    videos = classes(tmp_path, run=5, jump=5)
    done = job("--dataset", "folders", "--input", videos, "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{output}: 10 videos of 2 classes (test 2, train 6, validation 2)\n"
    assert len(read_videos(str(output))) == 10


def test_what_is_wrong_exits_with_2(tmp_path):
    videos = classes(tmp_path, run=5, jump=1)
    for arguments, told in (
        (("--dataset", "folders", "--input", videos, "--output", tmp_path / "m.csv"), "class 'jump' has one video"),
        (("--dataset", "folders", "--input", tmp_path / "none", "--output", tmp_path / "m.csv"), "none"),
        (("--dataset", "folders", "--input", videos, "--output", tmp_path / "m.txt"), "m.txt"),
        (("--dataset", "ucf", "--input", videos, "--output", tmp_path / "m.csv"), "did you mean ucf101"),
        (("--dataset", "hmdb51", "--input", videos, "--output", tmp_path / "m.csv"), "--annotations is required"),
    ):
        done = job(*arguments)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr

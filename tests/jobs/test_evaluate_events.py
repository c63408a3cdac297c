import json
import subprocess
import sys

from tests.support.dataset import ROOT
from tests.support.events import events_table, write_labels


def job(*arguments):
    command = [sys.executable, str(ROOT / "jobs" / "evaluate_events.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_evaluates_as_a_user_runs_it(tmp_path):
    labels = write_labels(tmp_path / "labels", events_table({"v1": [(0, 10, "walk\x1b[2J", 0.9)]}))
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"database": {"v1": {"annotations": [{"segment": [0, 8], "label": "walk\x1b[2J"}]}}}))
    done = job("--labels", labels, "--truth", truth, "--output", tmp_path / "result.json")
    assert done.returncode == 0, done.stderr
    assert "mean   1.0000\n" in done.stdout
    assert "  1.0000 walk\\x1b[2J (intervals 1, events 1)\n" in done.stdout
    assert json.loads((tmp_path / "result.json").read_text())["mean"] == 1
    assert not done.stderr


def test_what_is_wrong_exits_with_2(tmp_path):
    labels = write_labels(tmp_path / "labels", events_table({"v1": []}))
    for arguments, told in (
        (("--labels", labels), "give --truth to measure the events"),
        (("--labels", tmp_path / "none", "--truth", "t.json"), "has no labels of any day"),
        (("--labels", labels, "--truth", tmp_path / "t.json"), "it cannot be read"),
    ):
        done = job(*arguments)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr

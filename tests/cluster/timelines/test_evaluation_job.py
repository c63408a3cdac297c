from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.storage import files
from cluster.timelines.evaluation_job import EvaluationOptions, run_evaluation, table
from schemas.errors import InputError
from schemas.event_evaluations import ClassPrecision, EventEvaluation
from tests.support.events import events_table, write_labels
from tests.support.servers import gs_bucket

EVENTS = {"v1": [(0.0, 10.0, "x", 0.9), (0.0, 1.0, "y", 0.8)], "v2": [(5.0, 6.0, "x", 0.5)]}
TRUTH = "id,start_seconds,end_seconds,label\nv1,0,10,x\nv2,0,4,x\nv1,0,4,y\n"
TABLE = """\
activitynet: events of 2026-03-01 against 3 intervals of 2 classes in 2 videos
tIoU   mAP
0.25   0.7500
0.5    0.2500
mean   0.5000
best classes, by their mean:
  0.5000 x (intervals 2, events 2)
  0.5000 y (intervals 1, events 1)
"""


def run(*arguments: str) -> tuple[ExitCode, str]:
    lines: list[str] = []
    code = run_evaluation(parse(EvaluationOptions, [str(each) for each in arguments]), lines.append)
    return code, "".join(f"{line}\n" for line in lines)


@pytest.fixture
def truth(tmp_path: Path) -> str:
    (tmp_path / "truth.csv").write_text(TRUTH)
    return str(tmp_path / "truth.csv")


@pytest.fixture
def labels(tmp_path: Path) -> str:
    return write_labels(tmp_path / "labels", events_table(EVENTS))


def test_a_table_and_files(tmp_path: Path, labels: str, truth: str) -> None:
    output, results = tmp_path / "out" / "result.json", tmp_path / "out" / "results.json"
    code, text = run(
        *("--labels", labels, "--truth", truth, "--thresholds", "0.25", "0.5"),
        *("--output", str(output), "--activitynet-results", str(results)),
    )
    assert (code, text) == (ExitCode.DONE, TABLE)
    found = json.loads(output.read_text())
    assert found["mean_average_precision"] == [0.75, 0.25]
    assert found["thresholds"] == [0.25, 0.5]
    assert found["label_fingerprint"] == {"manner": "a"}
    assert {name: len(its) for name, its in json.loads(results.read_text())["results"].items()} == {"v1": 2, "v2": 1}


def test_results_need_no_truth(tmp_path: Path, labels: str) -> None:
    results = tmp_path / "results.json"
    assert run("--labels", labels, "--activitynet-results", str(results)) == (ExitCode.DONE, "")
    assert set(json.loads(results.read_text())["results"]) == {"v1", "v2"}


def test_into_a_bucket(labels: str, truth: str) -> None:
    with gs_bucket() as bucket:
        assert run("--labels", labels, "--truth", truth, "--output", f"{bucket}/result.json")[0] == ExitCode.DONE
        assert json.loads(files.read_bytes(f"{bucket}/result.json"))["evaluator"] == "activitynet"


def test_best_and_worst_classes() -> None:
    classes = tuple(
        ClassPrecision(name=f"c{k:02}", positives=k, events=1, average_precision=(k / 20,), mean=k / 20)
        for k in range(12)
    )
    result = EventEvaluation(
        evaluator="thumos",
        labels="l",
        date="2026-03-01",
        label_fingerprint={},
        truth="t",
        subset=None,
        thresholds=(0.5,),
        mean_average_precision=(0.3,),
        mean=0.3,
        classes=classes,
        videos=1,
        videos_without_labels=0,
        unknown_videos=0,
        unknown_events=0,
        unknown_labels={},
        notes=("odd",),
    )
    lines = list(table(result))
    assert [line.split()[1] for line in lines if line.startswith("  ")] == [
        *["c11", "c10", "c09", "c08", "c07"],
        *["c04", "c03", "c02", "c01", "c00"],
    ]
    assert lines[-1] == "note: odd"


def test_what_is_wrong_with_the_options_is_told_at_once() -> None:
    with pytest.raises(InputError) as found:
        run("--labels", "l", "--truth", "t", "--thresholds", "0", "1.5", "--evaluator", "thumos14", "--date", "today")
    assert list(found.value.problems) == [
        "--thresholds must be a number above 0 and at most 1, not '0'",
        "--thresholds must be a number above 0 and at most 1, not '1.5'",
        "--evaluator is one of activitynet, thumos, not 'thumos14'; did you mean thumos?",
        "--date must be a day such as 2025-01-31, not 'today'",
    ]
    with pytest.raises(InputError, match="give --truth to measure the events, --activitynet-results to write them"):
        run("--labels", "l")
    with pytest.raises(InputError, match="--output goes with --truth"):
        run("--labels", "l", "--activitynet-results", "r", "--output", "o")


def test_bad_input_and_places_that_take_nothing(
    tmp_path: Path, labels: str, truth: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for arguments, code, told in (
        (("--truth", str(tmp_path / "none.csv")), ExitCode.BAD_INPUT, "none.csv:\n  - it cannot be read"),
        (("--truth", truth, "--date", "2026-04-01"), ExitCode.BAD_INPUT, "no labels of 2026-04-01"),
        (("--truth", truth, "--output", "https://u:secret@a/b"), ExitCode.BAD_INPUT, "https://***@a/b cannot be writ"),
        (("--truth", truth, "--output", str(tmp_path / "file" / "x")), ExitCode.FAILED, "file"),
    ):
        assert run("--labels", labels, *arguments)[0] == code
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert told in error
        assert "secret" not in error

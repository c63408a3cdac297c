"""The job that writes recordings, and the way from them to a comparison of two classifiers."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from jobs.make_recordings import main
from tests.support.dataset import ROOT, job_environment
from tests.support.trainings import record_of

TINY = ("frames=10", "height=16", "width=16", "width_factor=0.05")
FPS = 12


def test_the_job_says_what_it_wrote_and_refuses_what_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--output", f"file://localhost{tmp_path}/a%20folder", "--athletes", "1", "--repetitions", "1"])
    said = capsys.readouterr().out
    assert said.startswith("3 recordings of 1 athletes, ")
    assert said.endswith(f" frames: {tmp_path}/a folder\n")
    assert len(list((tmp_path / "a folder").rglob("*.mp4"))) == 3
    with pytest.raises(SystemExit):
        main(["--output", "gs://bucket/recordings", "--athletes", "0"])
    errors = capsys.readouterr().err
    assert "--output must be a local folder, not 'gs://bucket/recordings'" in errors
    assert "--athletes must be at least 1, not 0" in errors


def run(job: str, *arguments: object) -> str:
    command = [sys.executable, str(ROOT / "jobs" / job), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=job_environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.heavy
def test_from_recordings_to_a_comparison_of_two_splits(tmp_path: Path) -> None:
    """The commands of `make recordings`, on a few clips and a tiny network."""
    project = tmp_path / "project"
    run("make_recordings.py", "--output", project, "--athletes", 3, "--repetitions", 3)
    outputs = {}
    for name, unit in (("by-clip", "clip"), ("by-athlete", "group")):
        clips, output = tmp_path / name / "clips.csv", tmp_path / name / "classifier"
        run(
            *("cut_clips.py", "--annotations", project, "--videos", project, "--output", clips, "--engine", "local"),
            *("--group-from", "athlete", "--split-by", unit, "--test", 0),
        )
        check_clips(clips, project)
        run(
            *("train_classifier.py", "--videos", clips, "--output", output, "--engine", "local", "--epochs", 1),
            *("--model", "movinet-a2", "--model-options", *TINY, "--placement", "equal", "--cpus-per-worker", 1),
        )
        outputs[name] = output
    known, new = (record_of(output).splits[-1] for output in outputs.values())
    assert (known.group_count, known.known_groups) == (3, 3)
    assert (new.group_count, new.known_groups) == (1, 0)
    assert sum(group.videos for group in known.groups) == known.videos
    page = tmp_path / "comparison.html"
    said = run("compare_trainings.py", "--trainings", *outputs.values(), "--output", page)
    assert said.splitlines()[-1] == f"report: {page}"
    assert [line.partition(":")[0] for line in said.splitlines()[:2]] == list(outputs)
    assert 'href="./by-clip/classifier/training.html"' in page.read_text()


def check_clips(manifest: Path, project: Path) -> None:
    """Clips are the annotated frames, each in a group of its athlete."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = defaultdict(list)
    for row in rows:
        times = (float(row["start_seconds"]), float(row["end_seconds"]))
        found[Path(row["uri"]).name].append((row["labels"], *(round(seconds * FPS) for seconds in times)))
        assert Path(row["uri"]).name.startswith(row["group"])
    for path in sorted((project / "workouts" / "ann").iterdir()):
        _, *tags = json.loads(path.read_text())["tags"]
        annotated = [(tag["name"], tag["frameRange"][0], tag["frameRange"][1] + 1) for tag in tags]
        assert found.pop(path.name.removesuffix(".json")) == annotated
    assert not found

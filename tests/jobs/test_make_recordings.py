"""The job that writes recordings, and the way from them to a comparison of two classifiers."""

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.cutting.config import CuttingOptions
from cluster.cutting.job import run_cutting
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.runs.options import Options
from cluster.training.comparison import ComparisonOptions, run_comparison
from cluster.training.config import TrainingOptions
from cluster.training.job import run_training
from jobs.make_recordings import main
from jobs.samples.recordings import FPS
from tests.support.trainings import record_of

TINY = "frames=10 height=16 width=16 width_factor=0.05"


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


@pytest.mark.heavy
def test_from_recordings_to_a_comparison_of_two_splits(tmp_path: Path) -> None:
    """The commands of `make recordings`, on a few clips and a tiny network."""
    project = tmp_path / "project"
    main(["--output", str(project), "--athletes", "2", "--repetitions", "2"])
    outputs = {}
    for name, unit in (("by-clip", "clip"), ("by-athlete", "group")):
        clips, output = tmp_path / name / "clips.csv", tmp_path / name / "classifier"
        cutting = f"--annotations {project} --videos {project} --group-from athlete --split-by {unit} --test 0"
        run(CuttingOptions, run_cutting, f"{cutting} --output {clips} --engine local")
        check_clips(clips, project)
        network = f"--model movinet-a2 --model-options {TINY} --placement equal --clip-cache {tmp_path / 'cache'}"
        run(
            TrainingOptions,
            run_training,
            f"--videos {clips} --output {output} {network} --epochs 1 --engine local --cpus-per-worker 1",
        )
        outputs[name] = output
    known, new = (record_of(output).splits[-1] for output in outputs.values())
    assert known.known_groups == known.group_count == 2
    assert (new.group_count, new.known_groups) == (1, 0)
    assert sum(group.videos for group in known.groups) == known.videos
    said: list[str] = []
    page = tmp_path / "comparison.html"
    trainings = " ".join(map(str, outputs.values()))
    run(ComparisonOptions, partial(run_comparison, log=said.append), f"--trainings {trainings} --output {page}")
    assert [line.partition(":")[0] for line in said[:2]] == list(outputs)
    assert said[-1] == f"report: {page}"
    assert 'href="./by-clip/classifier/training.html"' in page.read_text()


def run(kind: type[Options], job: Callable[[Any], ExitCode], arguments: str) -> None:
    assert job(parse(kind, arguments.split())) == ExitCode.DONE


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

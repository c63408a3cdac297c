"""The job as a user runs it: killed before every change of a file, and between extraction, training and scoring."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.features.columns import read_index
from cluster.features.files import FRAME, VIDEO, open_features
from cluster.features.source import FeatureSource, SourceConfig
from cluster.scoring.job import score_videos
from cluster.training.kinds import load_training_data
from tests.support.checkpoints import trained, write_trained
from tests.support.dataset import ROOT, ids, job_environment, rows, run_job
from tests.support.scoring import label_ids, label_rows, scoring_config
from tests.support.shards import commit_nights, shard_dataset
from tests.support.trainings import training_config
from tests.support.videos import Clip, write_video

FOLDERS = ("features", "ledger", "failures")
# Compacts copies of a dataset, each in a process of its own that kills itself before its nth change of a file; then
# each of them once more, to the end.
KILLED = """
import os, shutil, signal, sys
from itertools import count
from cluster.compaction.config import CompactionOptions
from cluster.compaction.job import run_compaction

def compact(root, most):
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1]
    numbers = count()
    for name in ("replace", "unlink"):
        def change(*given, call=getattr(os, name)):
            if next(numbers) == most:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*given)
        setattr(os, name, change)
    os._exit(run_compaction(CompactionOptions.of(output=root)))

source, folder = sys.argv[1:]
for number in count():
    killed, again = f"{folder}/{number:03d}-killed", f"{folder}/{number:03d}-again"
    shutil.copytree(source, killed)
    status = compact(killed, number)
    shutil.copytree(killed, again)
    assert compact(again, -1) == 0
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
"""


def compact(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs" / "compact_features.py"), "--output", str(root), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=job_environment())


def content(root: Path) -> dict[str, list[dict[str, object]]]:
    return {folder: rows(root, folder) for folder in FOLDERS}


def seen(root: Path) -> list[str]:
    """The ids that our readers see."""
    return sorted(read_index(open_features([str(root)])).ids)


@pytest.mark.heavy
def test_a_compaction_that_is_killed_before_any_change_of_a_file_loses_nothing(tmp_path: Path) -> None:
    commit_nights(shard_dataset(tmp_path / "out", "r1", has_frames=True), range(16), frames=3, rows_per_night=4)
    before = content(tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "out", tmp_path / "copies"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    killed = sorted((tmp_path / "copies").glob("*-killed"))
    assert len(killed) > 18, "lease, ledger, shard, and the removal of four files of each, and of two failure files"
    numbers = set()
    for root in killed:
        again = root.with_name(root.name.replace("killed", "again"))
        assert set(ids(root)) == set(ids(tmp_path / "out")), "no row is ever missing"
        assert set(ids(root, "failures")) == set(ids(tmp_path / "out", "failures"))
        assert seen(root) == seen(tmp_path / "out"), "our readers see each once"
        with (extraction := shard_dataset(root, "r2", has_frames=True)).lease():
            settled = extraction.prepare()
        for repaired in (root, again):
            assert rows(repaired) == before["features"]
            assert rows(repaired, "failures") == before["failures"]
        assert settled.done == {str(row["id"]): row["content"] for row in before["ledger"]}
        numbers.add(len(list((root / "features").iterdir())))
        assert len(list((again / "features").iterdir())) == len(list((again / "failures").iterdir())) == 1
    assert numbers == {4, 1}, "what is repaired is as before, or as afterwards"


def test_labels_stay_and_are_made_of_new_videos_alone(tmp_path: Path) -> None:
    root, labels = tmp_path / "f", tmp_path / "labels"
    commit_nights(shard_dataset(root, "r1"), range(20))
    checkpoint = write_trained(tmp_path / "checkpoint", trained())
    options = scoring_config(root, checkpoint, labels)
    assert score_videos(options.settings()).counts.scored == 18
    before = {path: path.read_bytes() for path in labels.rglob("*.parquet")}
    assert compact(root).returncode == 0
    assert len(list((root / "features").iterdir())) == 1
    record = score_videos(options.settings())
    assert (record.counts.scored, record.counts.already_labelled, record.counts.replaced) == (0, 18, 0)
    assert {path: path.read_bytes() for path in labels.rglob("*.parquet")} == before
    commit_nights(shard_dataset(root, "r2"), range(20, 24))
    assert score_videos(options.settings()).counts.scored == 3
    assert label_ids(labels) == ids(root)
    again = scoring_config(root, checkpoint, tmp_path / "again")
    score_videos(again.settings())
    for kept, made in zip(label_rows(labels), label_rows(tmp_path / "again"), strict=True):
        assert kept["id"] == made["id"]
        assert [label["index"] for label in kept["labels"]] == [label["index"] for label in made["labels"]]
        # Larger files are read in larger batches, whose sums are rounded otherwise.
        scores = [[label["score"] for label in row["labels"]] for row in (kept, made)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)


@pytest.mark.parametrize("level", [VIDEO, FRAME])
def test_trainings_get_the_same_videos_in_the_same_splits(tmp_path: Path, level: str) -> None:
    root = tmp_path / "f"
    commit_nights(shard_dataset(root, "r1", has_frames=True), range(60), frames=4)
    (root / "vocabulary.csv").write_text("index,name\n0,cat\n1,dog\n2,fish\n")
    options = training_config(root, tmp_path / "c")
    before = batches(root, level), splits(options)
    assert compact(root).returncode == 0
    assert len(list((root / "features").iterdir())) == 1
    after = batches(root, level), splits(options)
    assert after[1] == before[1]
    assert after[0].keys() == before[0].keys()
    assert all(np.array_equal(after[0][name], before[0][name]) for name in before[0])


def batches(root: Path, level: str) -> dict[str, Any]:
    """The features of each video as a training reads them."""
    source = FeatureSource(open_features([str(root)]), SourceConfig(level=level, with_ids=True, batch_size=1))
    return {batch.ids[0]: batch.rgb.numpy() for batch in source.batches()}


def splits(options: Any) -> dict[str, list[str]]:
    """The videos of each split."""
    found = load_training_data(options.settings()).splits
    return {
        name: sorted(np.array(read_index(split.features).ids)[split.rows].tolist()) for name, split in found.items()
    }


@pytest.mark.heavy
def test_an_extraction_goes_on_where_it_was(tmp_path: Path) -> None:
    videos, root = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    options = ("--engine", "local", "--frame-features", "--quiet", "--max-failure-ratio", "1")
    for night in range(3):
        write_video(videos / f"{night}.mp4", Clip(frames=40, rate=16, gop=16, width=96, height=64))
        (videos / f"broken-{night}.mp4").write_text("no video")
        done = run_job(videos, root, *options)
        assert done.returncode == 0, done.stderr
    before = content(root)
    assert len(list((root / "features").iterdir())) == len(list((root / "failures").iterdir())) == 3
    dry = compact(root, "--dry-run")
    assert dry.stdout == (
        f"{root}: 3 shards, of which 3 small ones with 3 rows become 1; "
        "3 failure files, of which 3 small ones with 3 rows become 1\n"
    )
    done = compact(root, "--log-format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr)["message"] == dry.stdout.strip()
    assert content(root) == before
    assert len(list((root / "features").iterdir())) == len(list((root / "failures").iterdir())) == 1
    written = {path: path.read_bytes() for path in root.rglob("*.parquet")}
    done = run_job(videos, root, *options)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in root.rglob("*.parquet")} == written, "nothing was left to do"
    (videos / "0.mp4").write_bytes((videos / "1.mp4").read_bytes() + b"\0")
    done = run_job(videos, root, *options, "--retry-failed")
    assert done.returncode == 0, done.stderr
    assert ids(root) == sorted(set(ids(root))) == ["0", "1", "2"]
    assert ids(root, "failures") == ["broken-0", "broken-1", "broken-2"]

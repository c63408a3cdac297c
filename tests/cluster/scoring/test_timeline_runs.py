"""Runs with timelines, from videos and stream networks to label shards, subtitles, CSV and record."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import ScoringOptions
from cluster.scoring.early_start import run_scoring
from cluster.scoring.job import score_videos
from schemas.scorings import ScoringRecord
from schemas.timelines import TIMELINE_LABEL_SCHEMA
from tests.support.checkpoints import write_trained
from tests.support.clips import STREAM, STREAM_OPTIONS, trained_clips, trained_stream, write_clip_videos
from tests.support.scoring import DAY, label_ids, names

FRAMES = 120  # 25 a second: 4.8 s
STEPS = 5
RULES = {"event_threshold": 0.25, "event_gap_seconds": 1.0}


@pytest.fixture(autouse=True)
def threads():
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three videos and a file that is none."""
    folder = tmp_path_factory.mktemp("videos")
    write_clip_videos(folder, 3, frames=FRAMES)
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained_stream())


def config(videos: Path, checkpoint: Any, labels: Path, **options: Any) -> ScoringOptions:
    return ScoringOptions.of(
        checkpoint=checkpoint if isinstance(checkpoint, tuple) else (str(checkpoint),),
        labels=str(labels),
        videos=str(videos),
        timeline=True,
        **{"date": DAY, "engine": "local", "quiet": True, "max_failure_ratio": 1.0, **options},
    )


def rows_of(labels: Path) -> list[dict[str, Any]]:
    found = [row for path in sorted(labels.glob(f"date={DAY}/*")) for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: row["id"])


@pytest.fixture(scope="module")
def run(videos, checkpoint, tmp_path_factory):
    """A run with all outputs: its folder, and its record."""
    folder = tmp_path_factory.mktemp("run")
    places = {name: str(folder / name) for name in ("vtt", "events_csv", "submission")}
    given = config(videos, checkpoint, folder / "labels", rows_per_shard=2, timeline_top_k=4, **RULES, **places)
    return folder, score_videos(given.settings())


def test_a_run_leaves_timelines_and_events(run):
    folder, record = run
    shards = [pq.read_table(path) for path in (folder / "labels").glob(f"date={DAY}/*")]
    assert sorted(map(len, shards)) == [1, 2]
    for shard in shards:
        assert shard.schema.remove_metadata() == TIMELINE_LABEL_SCHEMA
        assert rb'"timeline.step_seconds": "1"' in shard.schema.metadata[b"framemill.manner"]
    rows = rows_of(folder / "labels")
    assert [row["id"] for row in rows] == names(0, 1, 2)
    for row in rows:
        assert [step["seconds"] for step in row["timeline"]] == [float(step) for step in range(STEPS) for _ in range(4)]
        scores = np.array([step["score"] for step in row["timeline"]]).reshape(STEPS, 4)
        assert (np.diff(scores, axis=1) <= 0).all()
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
        assert all(0 <= event["start"] < event["end"] <= STEPS for event in row["events"])
    assert len({str(row["timeline"]) for row in rows}) == 3, "each video has a timeline of its own"
    assert record.counts.events == sum(len(row["events"]) for row in rows) > 3


def test_labels_are_the_means_of_all_steps(run):
    for row in rows_of(run[0] / "labels"):
        steps: dict[int, list[float]] = {}
        for step in row["timeline"]:
            steps.setdefault(step["index"], []).append(step["score"])
        means = {index: np.mean(scores) for index, scores in steps.items()}
        best = sorted(means, key=lambda index: -means[index])
        assert [label["index"] for label in row["labels"]] == best
        np.testing.assert_allclose([label["score"] for label in row["labels"]], [means[index] for index in best], 1e-5)


def test_the_record_tells_how_timelines_were_made(run):
    folder, record = run
    found = record.counts
    assert (found.videos_total, found.scored, found.failed, found.steps) == (4, 3, 1, 3 * STEPS)
    assert record.failures_by_code == {"not_media": 1}
    assert record.seconds_by_stage.keys() == {"open", "decode", "network"}
    assert ScoringRecord.from_json(record.to_json()).to_json() == record.to_json()
    assert (record.vtt, record.events_csv) == (str(folder / "vtt"), str(folder / "events_csv"))
    fingerprint = {key.partition(".")[2]: text for key, text in record.label_fingerprint.items() if "timeline." in key}
    assert fingerprint == {
        "kind": "stream",
        "step_seconds": "1",
        "top_k": "4",
        "event_threshold": "0.25",
        "event_end_threshold": "0.2",
        "event_min_seconds": "0.0",
        "event_gap_seconds": "1.0",
    }
    assert "clips.sampling" not in record.label_fingerprint


def test_events_are_written_for_players_and_label_tools(run):
    folder, record = run
    rows = rows_of(folder / "labels")
    assert sorted(path.name for path in (folder / "vtt").iterdir()) == [
        "index.csv",
        *(f"{name}.vtt" for name in names(0, 1, 2)),
    ]
    assert [(folder / "vtt" / f"{row['id']}.vtt").read_text().count("-->") for row in rows] == [
        len(row["events"]) for row in rows
    ]
    with (folder / "events_csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + record.counts.events
    assert len((folder / "submission").read_text().splitlines()) == 4


def test_running_twice_changes_nothing_and_other_rules_all(run, videos, checkpoint, tmp_path):
    labels, vtt = tmp_path / "labels", tmp_path / "vtt"
    shutil.copytree(run[0] / "labels", labels)

    def score(**options):
        found = score_videos(config(videos, checkpoint, labels, timeline_top_k=4, **options).settings()).counts
        return found.already_labelled, found.scored, found.replaced

    before = {path: path.read_bytes() for path in labels.rglob("*.parquet")}
    assert score(**RULES, vtt=str(vtt)) == (3, 0, 0)
    assert {path: path.read_bytes() for path in labels.rglob("*.parquet")} == before
    assert len(list(vtt.glob("*.vtt"))) == 3, "those of all labels, whenever they were made"
    assert score() == (0, 3, 3)
    assert label_ids(labels) == names(0, 1, 2)
    remembering = rows_of(labels)
    assert score(memory_seconds=0.4) == (0, 3, 3), "a network that forgets makes other timelines"
    for row, other in zip(rows_of(labels), remembering, strict=True):
        assert row["timeline"][:4] == other["timeline"][:4], "nothing is forgotten in the first step"
        assert row["timeline"][4:] != other["timeline"][4:]


def problems_of(caplog, given):
    assert run_scoring(given) == ExitCode.BAD_INPUT
    assert not Path(given.labels).exists()
    return caplog.text


def test_all_that_is_wrong_is_told_before_any_work(videos, checkpoint, tmp_path, caplog):
    clips = write_trained(tmp_path / "clips", trained_clips())
    larger = write_trained(tmp_path / "larger", trained_clips(STREAM, options={**STREAM_OPTIONS, "height": 64}))
    labels = tmp_path / "labels"
    text = problems_of(caplog, config(tmp_path / "none", clips, labels, vtt="https://example.com/v"))
    for part in ("it looks at clips: give --stride", f"{tmp_path}/none", "https://example.com/v"):
        assert part in text
    text = problems_of(caplog, config(videos, (checkpoint, larger), labels))
    assert "larger: height is 64, not 32" in text

"""The job on videos as a user runs it: on Ray with either kind of pools, killed in mid-run, and trained on."""

from __future__ import annotations

import shutil
import signal

import pyarrow.parquet as pq
import pytest

from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream, write_clip_videos
from tests.support.dataset import ids, rows
from tests.support.exports import exported
from tests.support.poison import decompression_bomb
from tests.support.scoring import (
    killed_at_the_first_shard,
    label_ids,
    label_rows,
    run_score_job,
    score_command,
    scoring_records,
)

VIDEOS = 24


def arguments(videos, checkpoint, labels, *options):
    return "--videos", videos, "--checkpoint", checkpoint, "--labels", labels, *options


def job(*given):
    return score_command(*arguments(*given))


def run(*given):
    return run_score_job(*arguments(*given))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_clip_videos(folder, VIDEOS)
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained_clips())


@pytest.fixture(scope="module")
def reference(videos, checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("reference")
    options = ("--engine", "local", "--views", 2, "--embeddings", output / "embeddings")
    done = run(videos, checkpoint, output / "labels", *options)
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.parametrize("pools", ["together", pytest.param("apart", marks=pytest.mark.heavy)])
def test_ray_says_what_one_process_says_to_the_bit(pools, videos, checkpoint, reference, tmp_path):
    embeddings = tmp_path / "embeddings"
    options = ("--views", 2, "--embeddings", embeddings, "--workers", 1 if pools == "apart" else 2, "--pools", pools)
    done = run(videos, checkpoint, tmp_path / "labels", *options)
    assert done.returncode == 0, done.stderr
    assert f"completed: {VIDEOS} videos scored, 1 failed, 0 settled before" in done.stderr
    assert "1 × not_media" in done.stderr
    assert label_rows(tmp_path / "labels") == label_rows(reference / "labels")
    assert rows(embeddings) == rows(reference / "embeddings")
    assert ids(embeddings, "failures") == ["text"]


def timelines(labels):
    rows = [row for path in labels.glob("date=*/*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["id"]: (row["timeline"], row["events"]) for row in rows}


@pytest.mark.heavy
@pytest.mark.parametrize("pools", ["together", "apart"])
def test_ray_gives_the_timelines_of_one_process_to_the_bit(pools, videos, checkpoint, tmp_path):
    options = ("--timeline", "--stride", 0.25, "--event-threshold", 0.3)
    for place, engine in (("here", ("--engine", "local")), ("ray", ("--workers", 1, "--pools", pools))):
        done = run(videos, checkpoint, tmp_path / place, *options, *engine)
        assert done.returncode == 0, done.stderr
    found = timelines(tmp_path / "ray")
    assert len(found) == VIDEOS
    assert found == timelines(tmp_path / "here")
    assert label_rows(tmp_path / "ray") == label_rows(tmp_path / "here")
    steps = {len({step["seconds"] for step in timeline}) for timeline, _ in found.values()}
    assert steps == {5}  # of 1.2 seconds
    assert any(events for _, events in found.values())


@pytest.mark.heavy
def test_ray_runs_an_exported_stream_as_one_process_does(tmp_path):
    """The state of a long video travels from worker to worker."""
    write_clip_videos(tmp_path / "videos", 2, frames=25)
    write_clip_videos(tmp_path / "videos" / "long", 1, frames=330 * 5, rate=5)
    file = tmp_path / "stream.onnx"
    file.write_bytes(exported(trained_stream())[1])
    for place, engine in (("here", "local"), ("ray", "ray")):
        options = ("--timeline", "--engine", engine, "--workers", 2)
        done = run(tmp_path / "videos", file, tmp_path / place, *options)
        assert done.returncode == 0, done.stderr
        assert "-onnx-fp32" in done.stderr
    found = timelines(tmp_path / "ray")
    assert len(found) == 3
    assert found == timelines(tmp_path / "here")
    assert label_rows(tmp_path / "ray") == label_rows(tmp_path / "here")


def test_wrong_options_exit_with_2_and_no_traceback(videos, checkpoint, tmp_path):
    done = run(videos, checkpoint, tmp_path / "labels", "--features", "f", "--views", 0, "--crops", 2)
    assert done.returncode == 2
    for part in (
        "give --features or --videos, one of them",
        "views must be at least 1",
        "--crops is one of 1, 3, not 2",
    ):
        assert part in done.stderr
    done = run(videos, checkpoint, tmp_path / "labels", "--max-frames", 3)
    assert (done.returncode, "--max-frames goes with --features" in done.stderr) == (2, True)
    done = run(videos, checkpoint, tmp_path / "labels", "--timeline")
    assert done.returncode == 2
    assert "it looks at clips: give --stride, the seconds from one to the next" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "labels").exists()


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ["local", "ray", "beam"])
def test_a_driver_that_is_killed_is_made_good_by_the_next_run(engine, videos, checkpoint, reference, tmp_path):
    labels, embeddings = tmp_path / "labels", tmp_path / "embeddings"
    options = ("--engine", engine, "--rows-per-shard", 3, "--views", 2, "--embeddings", embeddings, "--workers", 2)
    command = job(videos, checkpoint, labels, *options)
    for _ in range(2):
        assert killed_at_the_first_shard(command, labels, signal.SIGKILL) == -signal.SIGKILL
        assert label_ids(labels) == sorted(set(label_ids(labels)))
    before = label_ids(labels)
    assert 0 < len(before) < VIDEOS
    done = run(videos, checkpoint, labels, *options)
    assert done.returncode == 0, done.stderr
    assert label_rows(labels) == label_rows(reference / "labels")
    assert rows(embeddings) == rows(reference / "embeddings")
    newest = max(scoring_records(labels), key=lambda record: record.started_at)
    assert newest.counts.scored == VIDEOS - len(before)
    assert {record.status for record in scoring_records(labels)} == {"died", "completed"}
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.heavy
def test_a_run_with_timelines_that_is_killed_is_made_good_by_the_next(videos, tmp_path):
    checkpoint = write_trained(tmp_path / "checkpoint", trained_stream())
    options = ("--engine", "local", "--timeline", "--timeline-hz", 5, "--precision", "fp32")
    assert run(videos, checkpoint, tmp_path / "whole", *options).returncode == 0
    labels, vtt = tmp_path / "labels", tmp_path / "vtt"
    options = (*options, "--rows-per-shard", 3, "--vtt", vtt)
    assert (
        killed_at_the_first_shard(job(videos, checkpoint, labels, *options), labels, signal.SIGKILL) == -signal.SIGKILL
    )
    before = label_ids(labels)
    assert 0 < len(before) < VIDEOS
    done = run(videos, checkpoint, labels, *options)
    assert done.returncode == 0, done.stderr
    timelines = [
        {row["id"]: (row["timeline"], row["events"]) for path in place.glob("date=*/*") for row in rows_in(path)}
        for place in (tmp_path / "whole", labels)
    ]
    assert timelines[0] == timelines[1]
    assert len(timelines[0]) == len(list(vtt.glob("*.vtt"))) == VIDEOS
    newest = max(scoring_records(labels), key=lambda record: record.started_at)
    assert newest.counts.scored == VIDEOS - len(before)


def rows_in(path):
    return pq.read_table(path).to_pylist()


def test_sigterm_keeps_what_is_finished(videos, checkpoint, tmp_path):
    labels, embeddings = tmp_path / "labels", tmp_path / "embeddings"
    options = ("--engine", "local", "--rows-per-shard", 5, "--embeddings", embeddings, "--views", 8)
    assert killed_at_the_first_shard(job(videos, checkpoint, labels, *options), labels, signal.SIGTERM) == 130
    assert 5 <= len(label_ids(labels)) < VIDEOS
    assert ids(embeddings) == label_ids(labels)
    (record,) = scoring_records(labels)
    assert (record.status, record.counts.scored, record.counts.embedded) == (
        "interrupted",
        *[len(label_ids(labels))] * 2,
    )
    assert not (labels / "lease.json").exists()


@pytest.mark.heavy
def test_a_file_that_bloats_the_decoder_costs_itself_alone(videos, checkpoint, reference, tmp_path):
    folder = shutil.copytree(videos, tmp_path / "videos")
    decompression_bomb(folder / "bomb.mov", 16_000, frames=3)
    limits = ("--max-pixels", 16_000**2, "--memory-limit-mib", 512)
    done = run(folder, checkpoint, tmp_path / "labels", "--views", 2, "--workers", 2, *limits)
    assert done.returncode == 0, done.stderr
    assert label_rows(tmp_path / "labels") == label_rows(reference / "labels")
    found = [row for path in tmp_path.glob("labels/failures/*/*") for row in pq.read_table(path).to_pylist()]
    codes = {row["id"]: (row["code"], row["attempts"]) for row in found}
    assert codes.pop("text") == ("not_media", 1)
    assert codes["bomb"] in (("memory_limit", 2), ("worker_died", 2))  # the latter where it went beyond twice the limit

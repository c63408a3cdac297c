"""Scoring of videos in this process, from manifests to labels and embeddings."""

from __future__ import annotations

import logging
import shutil
from contextlib import contextmanager

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from cluster.features.files import open_features
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import ScoringOptions
from cluster.scoring.early_start import run_scoring
from cluster.scoring.job import score_videos
from cluster.storage import files
from cluster.storage.lease import Lease
from cluster.storage.listing import list_files
from cluster.training.config import TrainingOptions
from cluster.training.job import run_training
from extractors.clips.sampling import ClipSampling
from schemas.scorings import ScoringRecord
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import MODEL, OPTIONS, TINY, trained_clips, write_clip_videos
from tests.support.dataset import ids, rows
from tests.support.engines import refuse_engine
from tests.support.scoring import DAY, label_ids, label_rows, names, scoring_config, write_features
from tests.support.servers import gs_bucket
from tests.support.videos import Clip, write_video

TOMORROW = "2026-03-02"
LENIENT = {"max_failure_ratio": 1.0}


@pytest.fixture(autouse=True)
def threads():
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Five videos, an empty file and one that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    write_clip_videos(folder, 5)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture
def videos(originals, tmp_path):
    return shutil.copytree(originals, tmp_path / "videos")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained_clips(temperature=1.5))


def config(videos, checkpoint, labels, **options):
    return ScoringOptions.of(
        checkpoint=(str(checkpoint),) if not isinstance(checkpoint, tuple) else checkpoint,
        labels=str(labels),
        videos=str(videos),
        **{"date": DAY, "engine": "local", "quiet": True, **options},
    )


def score(*arguments, **options):
    return score_videos(config(*arguments, **options).settings())


@contextmanager
def leased(root):
    lease = Lease(str(root / "lease.json"), "another")
    lease.acquire()
    yield
    lease.release()


def counts(record):
    found = record.counts
    assert found.unaccounted == 0
    return found.videos_total, found.already_labelled, found.failed_before, found.scored, found.failed


def failures(labels, date=DAY):
    found = [row for path in labels.glob(f"failures/date={date}/*") for row in pq.read_table(path).to_pylist()]
    return {row["id"]: row["code"] for row in found}


def files_of(root):
    return {path: path.read_bytes() for path in root.rglob("*.parquet")}


def test_every_video_ends_among_the_labels_or_the_failures(videos, checkpoint, tmp_path):
    labels = tmp_path / "labels"
    record = score(videos, checkpoint, labels, rows_per_shard=2, top_k=3, submission=str(tmp_path / "s.csv"))
    assert counts(record) == (7, 0, 0, 5, 2)
    assert label_ids(labels) == names(*range(5))
    assert failures(labels) == {"empty": "empty", "text": "not_media"}
    assert {path.name for path in labels.iterdir()} == {f"date={DAY}", "ledger", "failures", "runs"}
    text = (labels / "runs" / f"{record.run_id}.json").read_text()
    assert text == record.to_json() == ScoringRecord.from_json(text).to_json()
    assert record.failures_by_code == {"empty": 1, "not_media": 1}
    assert [(failure.videos, failure.message[:7]) for failure in record.failures] == [(1, "empty: "), (1, "not_med")]
    assert set(record.seconds_by_stage) == {"decode", "network"}
    for row in label_rows(labels):
        scores = [label["score"] for label in row["labels"]]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert [label["name"] for label in row["labels"]] == [f"Class {label['index'] - 10}" for label in row["labels"]]
    assert len({str(row["labels"]) for row in label_rows(labels)}) == 5, "each video has scores of its own"
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"], ids=["own cluster", "cluster to join"])
def test_without_work_no_engine_starts(address, videos, checkpoint, tmp_path, monkeypatch, caplog):
    places = {"embeddings": str(tmp_path / "embeddings"), "precision": "fp32"}
    score(videos, checkpoint, tmp_path / "labels", **LENIENT, **places)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)
    with caplog.at_level(logging.INFO, "framemill"):
        again = score(videos, checkpoint, tmp_path / "labels", engine="ray", address=address, **places)
    assert (counts(again), again.machine.cpus) == ((7, 5, 2, 0, 0), 0)
    assert "7 videos, 7 settled before, of them 2 failed, 0 to do" in caplog.text
    assert "1 × not_media: 'text' (replace them, and the next run takes them up)" in caplog.text
    with pytest.raises(AssertionError, match="an engine was started"):
        score(videos, checkpoint, tmp_path / "new", engine="ray")
    assert not list((tmp_path / "new").glob("date=*"))


def test_embeddings_follow_the_labels_of_the_manifest(videos, checkpoint, tmp_path):
    source, places = tmp_path / "m.csv", {"embeddings": str(tmp_path / "embeddings")}
    lines = [f"{path.stem},{path}" for path in sorted(videos.glob("*.mp4")) if path.stem not in ("empty", "text")]
    source.write_text("\n".join(["id,uri,labels", *(f"{line},cat" for line in lines)]))
    score(source, checkpoint, tmp_path / "labels", **places)
    before = rows(tmp_path / "embeddings")
    source.write_text("\n".join(["id,uri,labels", f"{lines[0]},dog", *(f"{line},cat" for line in lines[1:])]))
    assert counts(score(source, checkpoint, tmp_path / "labels", **places)) == (5, 5, 0, 0, 0)
    after = rows(tmp_path / "embeddings")
    assert [row["labels"] for row in after] == [[1], [0], [0], [0], [0]]
    assert [row["mean_rgb"] for row in after] == [row["mean_rgb"] for row in before]


def test_running_twice_changes_nothing_and_another_fingerprint_all(videos, checkpoint, tmp_path):
    labels = tmp_path / "labels"
    score(videos, checkpoint, labels, **LENIENT)
    before = files_of(labels)
    assert counts(score(videos, checkpoint, labels)) == (7, 5, 2, 0, 0)
    assert files_of(labels) == before
    one_view = label_rows(labels)
    assert counts(score(videos, checkpoint, labels, views=2)) == (7, 0, 0, 5, 2)
    assert label_ids(labels) == names(*range(5))
    assert label_rows(labels) != one_view
    assert failures(labels) == {"empty": "empty", "text": "not_media"}
    assert counts(score(videos, checkpoint, labels, views=2, date=TOMORROW, only_new=True)) == (7, 5, 2, 0, 0)


def test_a_replaced_video_is_done_again(videos, checkpoint, tmp_path):
    labels = tmp_path / "labels"
    score(videos, checkpoint, labels)
    before = {row["id"]: row for row in label_rows(labels)}
    write_video(videos / "v00001.mp4", Clip(**{**TINY, "frames": 60, "width": 160}))
    (videos / "v00002.mp4").write_bytes(b"broken by now")
    write_video(videos / "text.mp4", Clip(**TINY))
    assert counts(score(videos, checkpoint, labels)) == (7, 3, 1, 2, 1)
    after = {row["id"]: row for row in label_rows(labels)}
    assert sorted(after) == ["text", *names(0, 1, 3, 4)]
    assert after["v00001"] != before["v00001"]
    assert all(after[name] == before[name] for name in names(0, 3, 4))
    assert failures(labels) == {"empty": "empty", "v00002": "not_media"}
    assert counts(score(videos, checkpoint, labels)) == (7, 5, 2, 0, 0)


@pytest.mark.heavy
def test_failed_videos_are_tried_again_when_asked_for(videos, checkpoint, tmp_path):
    labels = tmp_path / "labels"
    score(videos, checkpoint, labels)
    assert counts(score(videos, checkpoint, labels, retry_failed=("empty",))) == (7, 5, 1, 0, 1)
    assert counts(score(videos, checkpoint, labels, retry_failed=(), only_new=True)) == (7, 5, 0, 0, 2)
    assert failures(labels) == {"empty": "empty", "text": "not_media"}


@pytest.mark.heavy
def test_the_latest_of_all_days_counts_where_only_what_is_new_is_wanted(videos, checkpoint, tmp_path):
    labels = tmp_path / "labels"
    score(videos, checkpoint, labels)
    (videos / "v00002.mp4").write_bytes(b"broken by now")
    for expected in ((7, 4, 2, 0, 1), (7, 4, 3, 0, 0)):
        assert counts(score(videos, checkpoint, labels, date=TOMORROW, only_new=True)) == expected
        assert failures(labels, TOMORROW) == {"v00002": "not_media"}
    assert label_ids(labels) == names(*range(5)), "labels of another day stay"


def test_exit_codes(videos, checkpoint, tmp_path):
    assert run_scoring(config(videos, checkpoint, tmp_path / "a")) == ExitCode.TOO_MANY_FAILURES
    assert label_ids(tmp_path / "a") == names(*range(5))
    assert run_scoring(config(videos, checkpoint, tmp_path / "b", max_failure_ratio=0.3)) == ExitCode.DONE


def test_embeddings_are_features_of_their_own_kind(videos, checkpoint, tmp_path):
    labels, embeddings = tmp_path / "labels", tmp_path / "embeddings"
    manifest = tmp_path / "manifest.csv"
    lines = [
        f"{path.stem},{path},{'walk' if place % 2 else 'run'}" for place, path in enumerate(sorted(videos.iterdir()))
    ]
    manifest.write_text("\n".join(["id,uri,labels", *lines]))
    record = score(manifest, checkpoint, labels, embeddings=str(embeddings), views=2, rows_per_shard=2, **LENIENT)
    assert (counts(record), record.counts.embedded) == ((7, 0, 0, 5, 2), 5)
    found = open_features([str(embeddings)])
    assert (found.rows, found.rgb_dim, found.audio_dim, found.levels) == (5, 64, 128, ("video",))
    assert found.fingerprint == record.feature_fingerprint
    assert set(found.fingerprint) >= {"clips.weights", "clips.format", "clips.sampling", "clips.precision"}
    assert ids(embeddings) == names(*range(5))
    assert ids(embeddings, "failures") == ["empty", "text"]
    row = rows(embeddings)[0]
    assert (row["num_frames"], row["has_audio"], row["labels"]) == (2 * OPTIONS["frames"], False, [0])
    assert row["duration_seconds"] == pytest.approx(1.2)
    assert not any(row["mean_audio"])
    assert np.linalg.norm(row["mean_rgb"]) > 0
    assert (embeddings / "vocabulary.csv").read_text().splitlines()[1:] == ['0,"run"', '1,"walk"']
    before = files_of(tmp_path)
    again = score(manifest, checkpoint, labels, embeddings=str(embeddings), views=2)
    assert (counts(again), again.counts.embedded) == ((7, 5, 2, 0, 0), 0)
    assert files_of(tmp_path) == before


@pytest.fixture
def classes(tmp_path):
    """A manifest of videos of two classes, wide and narrow."""
    lines = ["id,uri,labels"]
    for name, width in (("wide", 256), ("narrow", 96)):
        lines += [f"{name}-{path.stem},{path},{name}" for path in write_clip_videos(tmp_path / name, 8, width=width)]
    manifest = tmp_path / "classes.csv"
    manifest.write_text("\n".join(lines))
    return manifest


def test_a_dense_classifier_trains_on_embeddings(classes, checkpoint, tmp_path):
    embeddings = tmp_path / "embeddings"
    score(classes, checkpoint, tmp_path / "labels", embeddings=str(embeddings))
    options = {"features": (str(embeddings),), "model": "logistic", "epochs": 2, "fractions": ("0.5", "0.25", "0.25")}
    dense = tmp_path / "dense"
    assert run_training(TrainingOptions.of(output=str(dense), engine="local", quiet=True, **options)) == 0
    score_videos(scoring_config(embeddings, dense, tmp_path / "of-features").settings())
    rows = label_rows(tmp_path / "of-features")
    assert [row["id"] for row in rows] == ids(embeddings)
    assert {label["name"] for row in rows for label in row["labels"]} == {"narrow", "wide"}


@pytest.mark.heavy
def test_what_was_trained_on_clips_scores_them_as_its_validation_did(classes, tmp_path):
    trained_here = tmp_path / "trained"
    options = {"videos": str(classes), "model": MODEL, "epochs": 1, "fractions": ("0.5", "0.25", "0.25"), "views": 2}
    numbers = tuple(f"{name}={value}" for name, value in OPTIONS.items())
    config = TrainingOptions.of(
        output=str(trained_here), engine="local", quiet=True, model_options=numbers, batch_size=4, decoders=1, **options
    )
    assert run_training(config) == 0
    record = score(classes, trained_here, tmp_path / "labels")
    assert counts(record) == (16, 0, 0, 16, 0)
    assert '"views": 2' in record.label_fingerprint["clips.sampling"]
    assert {label["name"] for row in label_rows(tmp_path / "labels") for label in row["labels"]} == {"narrow", "wide"}


@pytest.mark.heavy
def test_labels_and_embeddings_each_get_what_they_lack(videos, checkpoint, tmp_path):
    labels, embeddings = tmp_path / "labels", tmp_path / "embeddings"
    score(videos, checkpoint, labels, **LENIENT)
    before = files_of(labels)
    record = score(videos, checkpoint, labels, embeddings=str(embeddings), **LENIENT)
    assert (counts(record), record.counts.embedded) == ((7, 5, 2, 0, 0), 5)
    assert files_of(labels) == before
    write_video(videos / "v00003.mp4", Clip(**{**TINY, "frames": 60}))
    record = score(videos, checkpoint, labels, embeddings=str(embeddings), **LENIENT)
    assert (counts(record), record.counts.embedded) == ((7, 4, 2, 1, 0), 1)
    assert ids(embeddings) == label_ids(labels) == names(*range(5))
    assert rows(embeddings)[3]["duration_seconds"] == pytest.approx(2.4)


def test_embeddings_of_another_kind_are_refused(videos, checkpoint, tmp_path, caplog):
    embeddings = {"embeddings": str(tmp_path / "embeddings")}
    score(videos, checkpoint, tmp_path / "labels", **embeddings)
    assert run_scoring(config(videos, checkpoint, tmp_path / "more", views=3, **embeddings)) == ExitCode.BAD_INPUT
    assert "was extracted with other options:\n  - --views: 1 there, 3 here\nGive" in caplog.text
    assert "or write to another place" in caplog.text
    assert not (tmp_path / "more").exists()


def test_embeddings_that_another_run_is_writing_leave_the_labels_alone(videos, checkpoint, tmp_path):
    embeddings = tmp_path / "embeddings"
    score(videos, checkpoint, tmp_path / "labels")
    before = files_of(tmp_path)
    (videos / "v00000.mp4").write_bytes(b"replaced")
    with leased(embeddings):
        given = config(videos, checkpoint, tmp_path / "labels", embeddings=str(embeddings))
        assert run_scoring(given) == ExitCode.BAD_INPUT
    assert files_of(tmp_path) == before


def problems_of(caplog, given):
    assert run_scoring(given) == ExitCode.BAD_INPUT
    return caplog.text


def test_checkpoints_of_the_other_kind_say_which_option_is_right(videos, checkpoint, tmp_path, caplog):
    dense = write_trained(tmp_path / "dense", trained())
    text = problems_of(caplog, config(videos, dense, tmp_path / "labels"))
    assert "model 'dense-5' takes features: give --features in place of --videos" in text
    features = write_features(tmp_path / "features", {"a": [0]})
    text = problems_of(caplog, scoring_config(features, checkpoint, tmp_path / "labels"))
    assert "model 'r3d-18' takes clips of videos: give --videos in place of --features" in text
    assert not (tmp_path / "labels").exists()


def test_all_that_is_wrong_is_told_at_once(videos, checkpoint, tmp_path, caplog):
    both = (checkpoint, write_trained(tmp_path / "other", trained_clips(classes=5)))
    places = {"embeddings": str(tmp_path / "e"), "submission": "https://example.com/s.csv"}
    given = config(tmp_path / "none", both, tmp_path / "labels", **places)
    text = problems_of(caplog, given)
    for part in ("num_classes 5", "give one checkpoint with --embeddings", "none", "cannot be written to"):
        assert part in text


def test_labels_must_not_depend_on_chance(videos, tmp_path, caplog):
    chance = write_trained(tmp_path / "c", trained_clips(sampling=ClipSampling(placement="random")))
    text = problems_of(caplog, config(videos, chance, tmp_path / "labels"))
    assert "looks at random clips" in text


@pytest.mark.heavy
def test_several_checkpoints_are_averaged(videos, checkpoint, tmp_path):
    other = write_trained(tmp_path / "other", trained_clips(seed=4))
    record = score(videos, (checkpoint, other), tmp_path / "labels")
    assert [model.model for model in record.models] == ["r3d-18", "r3d-18"]
    for one in (checkpoint, other):
        score(videos, one, tmp_path / one.rpartition("/")[2] / "labels")
    parts = [label_rows(tmp_path / one.rpartition("/")[2] / "labels") for one in (checkpoint, other)]
    for row, *singles in zip(label_rows(tmp_path / "labels"), *parts, strict=True):
        for label in row["labels"]:
            shares = [
                each["score"] for single in singles for each in single["labels"] if each["index"] == label["index"]
            ]
            assert label["score"] == pytest.approx(np.mean(shares), rel=1e-4)


def test_from_bucket_to_bucket(videos, checkpoint, tmp_path):
    score(videos, checkpoint, tmp_path / "here")
    with gs_bucket() as bucket:
        for path in videos.iterdir():
            files.write_bytes(f"{bucket}/videos/{path.name}", path.read_bytes())
        options = {"embeddings": f"{bucket}/embeddings"}
        record = score(f"{bucket}/videos", checkpoint, f"{bucket}/labels", **options)
        assert counts(record) == (7, 0, 0, 5, 2)
        assert counts(score(f"{bucket}/videos", checkpoint, f"{bucket}/labels", **options)) == (7, 5, 2, 0, 0)
        (shard,) = [file.uri for file in list_files(f"{bucket}/labels/date={DAY}")]
        target = tmp_path / "there" / f"date={DAY}" / "a.parquet"
        target.parent.mkdir(parents=True)
        target.write_bytes(files.read_bytes(shard))
    assert label_rows(tmp_path / "there") == label_rows(tmp_path / "here")

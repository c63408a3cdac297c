from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from classifiers.data.batches import FeatureBatch
from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.features.blocks import read_blocks
from cluster.features.files import open_features
from cluster.features.tfrecord_conversion import ConversionOptions, convert
from cluster.features.tfrecord_files import YOUTUBE_8M
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import ScoringOptions
from cluster.scoring.early_start import run_scoring
from cluster.scoring.feature_plan import make_feature_plan
from cluster.scoring.job import score_videos
from cluster.storage import files
from cluster.storage.listing import list_files
from schemas.errors import InputError
from schemas.quantization import CodeRange, dequantize
from schemas.scorings import ScoringRecord
from tests.support.checkpoints import trained, write_trained
from tests.support.engines import refuse_engine
from tests.support.features import feature_row, write_shard
from tests.support.parity import FOLDER
from tests.support.scoring import DAY, label_ids, label_rows, names, scoring_config, write_features
from tests.support.servers import gs_bucket

TOMORROW = "2026-03-02"
SHARDS = {"a": range(40), "b": range(40, 41), "c": range(41, 100)}


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("features"), SHARDS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained(temperature=1.5))


def score(features, checkpoint, labels, **options):
    return score_videos(scoring_config(features, checkpoint, labels, **options).settings())


def counts(record):
    found = record.counts
    assert found.unaccounted == 0
    return found.videos_total, found.already_labelled, found.scored, found.replaced, found.failed


def expected_rows(numbers, *checkpoints, top_k=20, threshold=0.0):
    """What the checkpoints say of all videos at once, put together row by row."""
    classifier = TrainedClassifier(dict(zip("abc", checkpoints, strict=False)))
    rows = [feature_row(number) for number in numbers]
    batch = FeatureBatch(
        rgb=torch.from_numpy(np.stack([row.mean_rgb for row in rows])),
        audio=torch.from_numpy(np.stack([row.mean_audio for row in rows])),
        num_frames=torch.tensor([row.num_frames for row in rows]),
    )
    config = classifier.config
    return [
        {
            "id": row.id,
            "labels": [
                {"index": config.class_indices[place], "name": config.class_names[place], "score": score}
                for place, score in zip(*pair, strict=True)
                if score >= threshold
            ],
            "model": classifier.name,
        }
        for row, *pair in zip(rows, *(found.tolist() for found in classifier.label(batch, top_k)), strict=True)
    ]


def assert_same(found, expected):
    """Equal but for the last bits of the scores, which depend on the size of a batch."""
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["model"] == other["model"]
        for key in ("index", "name"):
            assert [label[key] for label in one["labels"]] == [label[key] for label in other["labels"]]
        scores = [[label["score"] for label in row["labels"]] for row in (one, other)]
        np.testing.assert_allclose(*scores, rtol=1e-5)


def test_every_video_gets_its_labels(features, checkpoint, tmp_path):
    record = score(features, checkpoint, tmp_path, rows_per_shard=41, top_k=3, threshold=0.2)
    wanted = expected_rows(range(100), trained(temperature=1.5), top_k=3, threshold=0.2)
    assert_same(label_rows(tmp_path), wanted)
    assert counts(record) == (100, 0, 100, 0, 0)
    assert (record.status, record.date, record.counts.shards) == ("completed", DAY, 2)
    assert {path.name for path in tmp_path.iterdir()} == {f"date={DAY}", "ledger", "runs"}
    text = (tmp_path / "runs" / f"{record.run_id}.json").read_text()
    assert text == record.to_json() == ScoringRecord.from_json(text).to_json()
    again = parse(ScoringOptions, ["--config", str(tmp_path / "runs" / f"{record.run_id}.toml")])
    assert again == scoring_config(features, checkpoint, tmp_path, rows_per_shard=41, top_k=3, threshold=0.2)
    first = [row["labels"][0]["name"] for row in wanted if row["labels"]]
    assert dict(record.first_labels) == {name: first.count(name) for name in set(first)}
    assert sum(record.first_scores) == len(first) == 100 - record.counts.unlabelled
    assert sum(record.first_scores[:4]) == 0, "none below the threshold"
    table = pq.read_table(tmp_path / f"date={DAY}" / f"part-{record.run_id}-00000.parquet")
    assert set(table["run_id"].to_pylist()) == {record.run_id}
    assert table["id"].to_pylist() == names(*range(41))


def test_a_second_run_changes_nothing(features, checkpoint, tmp_path):
    score(features, checkpoint, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("**/*.parquet")}
    assert counts(score(features, checkpoint, tmp_path)) == (100, 100, 0, 0, 0)
    assert {path: path.read_bytes() for path in tmp_path.glob("**/*.parquet")} == before


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"], ids=["own cluster", "cluster to join"])
def test_without_work_no_engine_starts(address, features, checkpoint, tmp_path, monkeypatch):
    score(features, checkpoint, tmp_path / "labels")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)
    again = score(features, checkpoint, tmp_path / "labels", engine="ray", address=address)
    assert (counts(again), again.machine.cpus) == ((100, 100, 0, 0, 0), 0)
    with pytest.raises(AssertionError, match="an engine was started"):
        score(features, checkpoint, tmp_path / "new", engine="ray")


@pytest.mark.parametrize("options", [{"top_k": 2}, {"threshold": 0.1}])
def test_another_fingerprint_replaces_the_labels_of_the_day(options, features, checkpoint, tmp_path):
    score(features, checkpoint, tmp_path)
    assert counts(score(features, checkpoint, tmp_path, **options)) == (100, 0, 100, 100, 0)
    assert_same(label_rows(tmp_path), expected_rows(range(100), trained(temperature=1.5), **options))


def test_another_model_replaces_what_it_scores_and_leaves_other_days_and_videos(features, checkpoint, tmp_path):
    other = write_trained(tmp_path / "other", trained(seed=9))
    score(features, checkpoint, tmp_path / "labels")
    score(features, checkpoint, tmp_path / "labels", date=TOMORROW)
    fewer = str(features / "features" / "c.parquet")
    assert counts(score(fewer, other, tmp_path / "labels")) == (59, 0, 59, 59, 0)
    old, new = expected_rows(range(41), trained(temperature=1.5)), expected_rows(range(41, 100), trained(seed=9))
    assert_same(label_rows(tmp_path / "labels"), old + new)
    assert_same(label_rows(tmp_path / "labels", TOMORROW), expected_rows(range(100), trained(temperature=1.5)))


def test_only_what_is_new_or_changed_on_any_day(checkpoint, tmp_path):
    root, labels = tmp_path / "features", tmp_path / "labels"
    write_features(root, {"a": [0, 1, 2]})
    assert counts(score(root, checkpoint, labels, only_new=True)) == (3, 0, 3, 0, 0)
    write_features(root, {"a": [0, 2], "b": [1, 3]}, contents={1: "etag:2"})
    for _ in range(2):
        record = score(root, checkpoint, labels, date=TOMORROW, only_new=True)
        assert label_ids(labels, TOMORROW) == names(1, 3)
        assert label_ids(labels) == names(0, 1, 2)
    assert counts(record) == (4, 4, 0, 0, 0)
    write_features(root, {"b": [1, 3]}, contents={1: "etag:2", 3: "etag:2"})
    assert counts(score(root, checkpoint, labels, date=TOMORROW, only_new=True)) == (4, 3, 1, 1, 0)
    assert label_ids(labels, TOMORROW) == names(1, 3)
    assert counts(score(root, checkpoint, labels, date=TOMORROW)) == (4, 2, 2, 0, 0), "that day alone"
    assert label_ids(labels, TOMORROW) == names(0, 1, 2, 3)


def test_several_checkpoints_are_averaged(features, checkpoint, tmp_path):
    members = [trained("logistic", seed=1, temperature=0.7), trained("mixture-of-experts", seed=2)]
    folders = tuple(write_trained(tmp_path / str(place), member) for place, member in enumerate(members))
    record = score(features, folders, tmp_path / "labels")
    assert_same(label_rows(tmp_path / "labels"), expected_rows(range(100), *members))
    assert [model.model for model in record.models] == ["logistic", "mixture-of-experts"]


def test_frame_level_models(tmp_path):
    root = write_features(tmp_path / "features", {"a": range(5), "b": range(5, 9)}, frames=4)
    checkpoint = trained("attention-pooling")
    score(root, write_trained(tmp_path / "checkpoint", checkpoint), tmp_path / "labels", max_frames=5)
    classifier = TrainedClassifier({"c": checkpoint})
    for number, row in enumerate(label_rows(tmp_path / "labels")):
        video = feature_row(number, frames=4 + number % 3)
        shown = min(video.num_frames, 5)
        batch = FeatureBatch(
            rgb=torch.from_numpy(dequantize(np.asarray(video.rgb)[:shown]))[None],
            audio=torch.from_numpy(dequantize(np.asarray(video.audio)[:shown]))[None],
            num_frames=torch.tensor([shown]),
        )
        places, scores = classifier.label(batch, 20)
        assert [label["index"] for label in row["labels"]] == [10 + place for place in places[0]]
        np.testing.assert_allclose([label["score"] for label in row["labels"]], scores[0], rtol=1e-5)


def test_records_of_youtube_8m(tmp_path):
    path = FOLDER / "video_level.tfrecord"
    found = open_features([str(path)])
    model = trained(rgb_dim=found.rgb_dim, fingerprint=YOUTUBE_8M)
    checkpoint = write_trained(tmp_path / "checkpoint", model)
    record = score(path, checkpoint, tmp_path / "labels", submission=str(tmp_path / "s.csv"))
    assert counts(record) == (found.rows, 0, found.rows, 0, 0)
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert sorted(line.partition(",")[0] for line in lines[1:]) == label_ids(tmp_path / "labels")
    assert counts(score(path, checkpoint, tmp_path / "labels")) == (found.rows, found.rows, 0, 0, 0)


def test_records_with_codes_of_another_range(tmp_path):
    path = FOLDER / "frame_level.tfrecord"
    model = trained(rgb_dim=1024, fingerprint={**YOUTUBE_8M, "code_range": "-1..3"})
    checkpoint = write_trained(tmp_path / "checkpoint", model)
    score(path, checkpoint, tmp_path / "labels", code_range="-1..3")
    features = open_features([str(path)], code_range=CodeRange(-1, 3))
    (block,) = read_blocks(features.files[0], "video", [0], with_ids=True)
    batch = FeatureBatch(torch.from_numpy(block.rgb), torch.from_numpy(block.audio), torch.ones(len(block)))
    places, scores = TrainedClassifier({"c": model}).label(batch, 20)
    rows = {row["id"]: row["labels"] for row in label_rows(tmp_path / "labels")}
    for name, found, expected in zip(block.ids, places, scores, strict=True):
        assert [label["index"] for label in rows[name]] == [10 + place for place in found]
        np.testing.assert_allclose([label["score"] for label in rows[name]], expected, rtol=1e-5)
    with pytest.raises(InputError, match="code_range"):
        make_feature_plan(scoring_config(path, checkpoint, tmp_path / "others").settings())


@pytest.mark.parametrize("model", ["dense-5", "attention-pooling"])
def test_shards_and_the_records_made_of_them_give_the_same_timelines(model, tmp_path):
    root = write_features(tmp_path / "features", {"a": range(3), "b": range(3, 5)}, frames=12)
    convert(ConversionOptions.of(input=str(root), output=str(tmp_path / "records"), to="tfrecord"))
    checkpoint = write_trained(tmp_path / "checkpoint", trained(model))
    found = []
    for place, features in enumerate((root, tmp_path / "records")):
        labels = tmp_path / f"labels{place}"
        record = score(features, checkpoint, labels, timeline=True, event_threshold=0.2, vtt=str(tmp_path / "vtt"))
        assert counts(record) == (5, 0, 5, 0, 0)
        assert record.counts.steps == sum(12 + number % 3 for number in range(5))
        tables = [pq.read_table(path) for path in labels.glob(f"date={DAY}/*.parquet")]
        rows = sorted((row for table in tables for row in table.to_pylist()), key=lambda row: row["id"])
        found.append([(row["id"], row["timeline"], row["events"], row["labels"]) for row in rows])
        # Each odd video lacks second 1 (`feature_row`).
        gapped = [{entry["seconds"] for entry in row["timeline"]} for row in rows]
        assert [1.0 in seconds for seconds in gapped] == [True, False, True, False, True]
    assert found[0] == found[1]
    assert any(events for _, _, events, _ in found[0])
    assert len(list((tmp_path / "vtt").glob("*.vtt"))) == 5
    assert counts(score(root, checkpoint, tmp_path / "labels0"))[1] == 0, "labels without timelines are others"


def test_the_submission_agrees_with_the_shards(features, checkpoint, tmp_path):
    path = tmp_path / "submission.csv"
    score(str(features / "features" / "a.parquet"), checkpoint, tmp_path / "labels", top_k=4, threshold=0.15)
    score(features, checkpoint, tmp_path / "labels", top_k=4, threshold=0.15, submission=str(path), rows_per_shard=1)
    header, *lines = path.read_text().splitlines()
    assert header == "VideoId,LabelConfidencePairs"
    expected = {
        row["id"]: " ".join(f"{label['index']} {label['score']:.6f}" for label in row["labels"])
        for row in label_rows(tmp_path / "labels")
    }
    assert dict(line.split(",") for line in lines) == expected
    assert len(lines) == len(expected) == 100, "those of an earlier run of the day too"


def test_a_damaged_file_fails_alone(checkpoint, tmp_path, caplog):
    root = write_features(tmp_path / "features", {"a": [0, 1], "b": [2, 3], "c": [4]})
    nan = replace(feature_row(2), mean_rgb=np.full(16, np.nan, np.float32))
    write_shard(root / "features" / "b.parquet", [nan, feature_row(3)])
    config = scoring_config(root, checkpoint, tmp_path / "labels")
    assert run_scoring(config) == ExitCode.TOO_MANY_FAILURES
    assert "b.parquet: 1 of 2 videos have features that are NaN or infinite: 'v00002'" in caplog.text
    assert label_ids(tmp_path / "labels") == names(0, 1, 4)
    record = score_videos(config.with_values(max_failure_ratio=1.0).settings())
    assert counts(record) == (5, 3, 0, 0, 2)
    (failure,) = record.failures
    assert failure.videos == 2
    assert failure.uri.endswith("b.parquet")
    assert run_scoring(config.with_values(max_failure_ratio=1.0)) == ExitCode.DONE
    write_shard(root / "features" / "b.parquet", [feature_row(2), feature_row(3)])
    assert run_scoring(config) == ExitCode.DONE
    assert label_ids(tmp_path / "labels") == names(*range(5))


def test_bad_input_touches_nothing(features, checkpoint, tmp_path):
    other = write_trained(tmp_path / "other", trained(fingerprint={"source": "elsewhere"}))
    assert run_scoring(scoring_config(features, other, tmp_path / "labels")) == ExitCode.BAD_INPUT
    assert not (tmp_path / "labels").exists()
    (tmp_path / "file").touch()
    assert run_scoring(scoring_config(features, checkpoint, tmp_path / "file" / "labels")) == ExitCode.BAD_INPUT


def test_from_bucket_to_bucket(features, checkpoint, tmp_path):
    with gs_bucket() as bucket:
        for folder, target in ((features, "features"), (files.local_path(checkpoint), "checkpoint")):
            for path in (path for path in Path(folder).rglob("*") if path.is_file()):
                files.write_bytes(f"{bucket}/{target}/{path.relative_to(folder)}", path.read_bytes())
        options = {"rows_per_shard": 41, "submission": f"{bucket}/submission.csv"}
        record = score(f"{bucket}/features", f"{bucket}/checkpoint", f"{bucket}/labels", **options)
        assert counts(record) == (100, 0, 100, 0, 0)
        again = score(f"{bucket}/features", f"{bucket}/checkpoint", f"{bucket}/labels", only_new=True, date=TOMORROW)
        assert counts(again) == (100, 100, 0, 0, 0)
        for file in [*(file.uri for file in list_files(f"{bucket}/labels")), f"{bucket}/submission.csv"]:
            path = tmp_path / file.removeprefix(f"{bucket}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files.read_bytes(file))
    score(features, checkpoint, tmp_path / "here", rows_per_shard=41, submission=str(tmp_path / "here.csv"))
    assert label_rows(tmp_path / "labels") == label_rows(tmp_path / "here")
    assert (tmp_path / "submission.csv").read_text() == (tmp_path / "here.csv").read_text()

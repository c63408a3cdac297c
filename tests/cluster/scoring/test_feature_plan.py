from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.compaction.config import CompactionOptions
from cluster.compaction.job import run_compaction
from cluster.datasets.label_dataset import Labelled
from cluster.datasets.partitions import Partition
from cluster.features.columns import read_ids
from cluster.features.steps import StepGrid
from cluster.scoring import feature_plan
from cluster.scoring.feature_plan import make_feature_plan
from schemas.errors import InputError
from schemas.features import FeatureRow
from schemas.ledger import without_content
from schemas.videos import Video, content_of
from tests.support.checkpoints import trained, write_trained
from tests.support.features import feature_row, write_shard
from tests.support.scoring import names, scoring_config, write_features
from tests.support.shards import commit_nights, shard_dataset

NOTHING = Labelled(pa.chunked_array([], pa.string()), pa.chunked_array([], pa.string()))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained())


def plan_of(features, checkpoint, tmp_path, **options):
    return make_feature_plan(scoring_config(features, checkpoint, tmp_path / "labels", **options).settings())


def ids_of(portions):
    return [[piece.ids.to_pylist() for piece in portion.pieces] for portion in portions]


def problems_of(*arguments, **options):
    with pytest.raises(InputError) as caught:
        plan_of(*arguments, **options)
    return caught.value.problems


def test_small_files_share_a_shard_and_large_ones_are_split_between_row_groups(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0, 1], "b": [2], "c": [3]})
    write_shard(root / "features" / "d.parquet", [feature_row(number) for number in range(4, 12)], row_group_size=3)
    plan = plan_of(root, checkpoint, tmp_path, rows_per_shard=3)
    assert ids_of(plan.portions(NOTHING)) == [
        [names(0, 1), names(2)],
        [names(3)],
        [names(4, 5, 6)],
        [names(7, 8, 9)],
        [names(10, 11)],
    ]
    assert [portion.number for portion in plan.portions(NOTHING)] == [0, 1, 2, 3, 4]
    together = plan_of(root, checkpoint, tmp_path, rows_per_shard=100)
    assert ids_of(together.portions(NOTHING)) == [[names(0, 1), names(2), names(3), names(*range(4, 12))]]
    groups_of_one = plan_of(root, checkpoint, tmp_path, rows_per_shard=1)
    assert len(groups_of_one.portions(NOTHING)) == 6


def test_what_is_labelled_is_left_out(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0, 1, 2], "b": [3, 4]}, contents={1: "etag:2", 4: ""})
    plan = plan_of(root, checkpoint, tmp_path)
    known = Labelled(pa.chunked_array([names(4, 1, 0, 9)]), pa.chunked_array([["etag:1"] * 4]))
    (portion,) = plan.portions(known)
    assert [(piece.ids.to_pylist(), piece.rows.tolist()) for piece in portion.pieces] == [
        (names(1, 2), [1, 2]),
        (names(3), [0]),
    ]
    assert portion.pieces[0].contents.to_pylist() == ["etag:2", "etag:1"]
    assert (plan.videos, portion.videos) == (5, 3)


def test_rows_that_are_being_withdrawn_are_left_out(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0, 1, 2]})
    ledger = root / "ledger" / "a.parquet"
    pq.write_table(without_content(pq.read_table(ledger), names(1)), ledger)
    plan = plan_of(root, checkpoint, tmp_path)
    assert ids_of(plan.portions(NOTHING)) == [[names(0, 2)]]
    assert plan.videos == 2


def test_a_row_that_its_ledger_does_not_know_is_scored(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0, 1]})
    ledger = root / "ledger" / "a.parquet"
    pq.write_table(pq.read_table(ledger).slice(0, 1), ledger)
    (portion,) = plan_of(root, checkpoint, tmp_path).portions(NOTHING)
    known, unknown = portion.pieces[0].contents.to_pylist()
    assert (known, portion.videos) == ("etag:1", 2)
    assert "@" in unknown


def test_ledgers_of_partitions_are_found(tmp_path, checkpoint):
    cut = content_of(Video("x", "x", version="etag:1", start_seconds=60, end_seconds=90))
    root = write_features(tmp_path / "f", {"a": [0, 1]}, contents={1: cut})
    expected = plan_of(root, checkpoint, tmp_path).rows
    for folder in ("features", "ledger"):
        (root / folder / "partition-1-of-2").mkdir()
        (root / folder / "a.parquet").rename(root / folder / "partition-1-of-2" / "a.parquet")
    (rows,) = plan_of(root, checkpoint, tmp_path).rows
    assert rows.contents.to_pylist() == expected[0].contents.to_pylist() == ["etag:1", cut]


def test_without_a_ledger_the_files_own_version_counts(tmp_path, checkpoint):
    path = write_shard(tmp_path / "a.parquet", [feature_row(0)])
    (portion,) = plan_of(path, checkpoint, tmp_path).portions(NOTHING)
    (content,) = portion.pieces[0].contents.to_pylist()
    assert content.startswith(f"{path.stat().st_size}@")


def test_the_ledger_of_a_partition_counts(tmp_path, checkpoint):
    dataset = shard_dataset(tmp_path / "f", "r1", partition=Partition(1, 2))
    commit_nights(dataset, range(12))
    for given in (tmp_path / "f", tmp_path / "f" / "features" / "partition-1-of-2"):
        plan = plan_of(given, checkpoint, tmp_path)
        assert {content for rows in plan.rows for content in rows.contents.to_pylist()} == {
            f"etag:{name}" for rows in plan.rows for name in rows.ids.to_pylist()
        }


@pytest.mark.parametrize("moment", [1, 2, 6])
def test_a_compaction_while_the_rows_are_read_changes_nothing(tmp_path, checkpoint, monkeypatch, moment):
    commit_nights(shard_dataset(tmp_path / "f", "r1"), range(12))
    before = plan_of(tmp_path / "f", checkpoint, tmp_path)
    count = itertools.count(1)

    def read_and_compact(file):
        ids = read_ids(file)
        if next(count) == moment:
            assert run_compaction(CompactionOptions.of(output=str(tmp_path / "f"))) == 0
        return ids

    monkeypatch.setattr(feature_plan, "read_ids", read_and_compact)
    after = plan_of(tmp_path / "f", checkpoint, tmp_path)
    assert len(after.rows) == 1
    assert sorted(contents_of(after)) == sorted(contents_of(before))


def contents_of(plan):
    return [pair for rows in plan.rows for pair in zip(rows.ids.to_pylist(), rows.contents.to_pylist(), strict=True)]


def test_all_problems_are_reported_at_once(tmp_path, checkpoint):
    other = write_trained(tmp_path / "other", trained(fingerprint={"source": "elsewhere"}))
    root = write_features(tmp_path / "f", {"a": [0]})
    (problem,) = problems_of(root, other, tmp_path)
    assert "source: test, the model was trained on elsewhere" in problem
    missing, features = problems_of(tmp_path / "no-features", (str(tmp_path / "no-model"), checkpoint), tmp_path)
    assert "no-model: there is no checkpoint" in missing
    assert "no-features does not exist" in features
    wide = write_trained(tmp_path / "wide", trained("lstm", rgb_dim=20))
    width, level, place = problems_of(root, wide, tmp_path, submission="https://example.com/s.csv")
    assert "features 16 + 128 wide, but model 'lstm' takes 20 + 128" in width
    assert "takes the features of single frames" in level
    assert "cannot be written to" in place
    assert not (tmp_path / "labels").exists()


def test_a_checkpoint_of_a_newer_version(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0]})
    newer = write_trained(tmp_path / "newer", trained())
    config = tmp_path / "newer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "schema_version": 9, "more": 1}))
    (problem,) = problems_of(root, newer, tmp_path)
    assert "schema_version: 9, this code reads 2" in problem


def test_a_damaged_checkpoint(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0]})
    damaged = write_trained(tmp_path / "damaged", trained())
    weights = tmp_path / "damaged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    (problem,) = problems_of(root, damaged, tmp_path)
    assert "model.safetensors" in problem


def test_an_id_in_two_files(tmp_path, checkpoint):
    root = write_features(tmp_path / "f", {"a": [0, 1, 2], "b": [2, 1]})
    (problem,) = problems_of(root, checkpoint, tmp_path)
    assert problem.startswith("2 ids have more than one row in these features: 'v00001', 'v00002'")


def test_an_id_that_no_submission_can_hold(tmp_path, checkpoint):
    row: FeatureRow = replace(feature_row(0), id="a,b")
    path = write_shard(tmp_path / "a.parquet", [row])
    (problem,) = problems_of(path, checkpoint, tmp_path, submission=str(tmp_path / "s.csv"))
    assert problem == "1 ids hold a comma, a quote or a line's end, which a submission cannot: 'a,b'"
    assert plan_of(path, checkpoint, tmp_path).videos == 1


def test_features_that_cannot_be_read(tmp_path, checkpoint):
    (tmp_path / "f").mkdir()
    (problem,) = problems_of(tmp_path / "f", checkpoint, tmp_path)
    assert "no .parquet or .tfrecord file" in problem
    (tmp_path / "f" / "a.parquet").write_bytes(b"PAR1, not more")
    (problem,) = problems_of(tmp_path / "f", checkpoint, tmp_path)
    assert "a.parquet cannot be read" in problem


def test_steps_of_timelines_follow_from_the_options_and_the_rate_of_the_features(tmp_path):
    fingerprint = {"sampling.fps": "30000/1001"}
    model = write_trained(tmp_path / "model", trained(fingerprint=fingerprint))
    path = write_shard(tmp_path / "a.parquet", [feature_row(0, frames=3)], fingerprint)
    options = {"timeline": True, "timeline_hz": 0.1, "window": 2.5, "timeline_top_k": 3, "event_threshold": 0.6}
    plan = plan_of(path, model, tmp_path, **options)
    timelines = plan.scorer.timelines
    assert timelines.grid == StepGrid(fps=Fraction(30000, 1001), hz=Fraction(1, 10), window_seconds=Fraction(5, 2))
    form = timelines.form
    assert (form.step_seconds, form.top_k, form.strong_score, form.is_single_label) == (10.0, 3, 0.8 * 0.6, True)
    found = plan.label_fingerprint
    kept = ("timeline.kind", "timeline.step_seconds", "timeline.window_seconds", "timeline.top_k")
    assert [found[key] for key in kept] == ["features", "10", "5/2", "3"]
    others = plan_of(path, model, tmp_path, **{**options, "window": 2.0}), plan_of(path, model, tmp_path)
    assert all(other.label_fingerprint != found for other in others)
    assert not any("timeline" in key for key in others[1].label_fingerprint)
    assert others[1].scorer.timelines is None


def test_features_that_have_no_timelines(tmp_path, checkpoint):
    means = write_features(tmp_path / "means", {"a": [0]})
    (problem,) = problems_of(means, checkpoint, tmp_path, timeline=True)
    assert problem.startswith("--timeline takes the features of single frames, and not all files in")
    assert problem.endswith("extract with --frame-features")
    frames = write_features(tmp_path / "frames", {"a": [0]}, frames=3)
    (problem,) = problems_of(frames, checkpoint, tmp_path, timeline=True, window=0.9)
    assert problem == "--window is 0.9 s, but these features are 1 s apart: give at least that"
    fingerprint = {"sampling.fps": "none"}
    model = write_trained(tmp_path / "model", trained(fingerprint=fingerprint))
    path = write_shard(tmp_path / "a.parquet", [feature_row(0, frames=3)], fingerprint)
    (problem,) = problems_of(path, model, tmp_path, timeline=True)
    assert "not none" in problem


def test_portions_hold_no_more_timelines_than_fit(tmp_path, checkpoint, monkeypatch):
    root = write_features(tmp_path / "f", {name: [place] for place, name in enumerate("abcd")}, frames=30)
    frames = [30 + number % 3 for number in range(4)]
    monkeypatch.setattr(feature_plan, "MAX_TIMELINE_SCORES", 2 * sum(frames[:2]))
    plan = plan_of(root, checkpoint, tmp_path, timeline=True, timeline_hz=0.5, timeline_top_k=4)
    assert ids_of(plan.portions(NOTHING)) == [[names(0), names(1)], [names(2)], [names(3)]]
    monkeypatch.setattr(feature_plan, "MAX_TIMELINE_SCORES", 1)
    assert len(plan.portions(NOTHING)) == 4
    assert len(plan_of(root, checkpoint, tmp_path).portions(NOTHING)) == 1

"""The worker that labels portions of features."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cluster.datasets.label_dataset import Labelled
from cluster.scoring.feature_plan import FeaturePlan, make_feature_plan
from tests.support.checkpoints import trained, write_trained
from tests.support.features import replace_column
from tests.support.scoring import names, scoring_config, write_features

NOTHING = Labelled(pa.chunked_array([], pa.string()), pa.chunked_array([], pa.string()))


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A scorer takes one core for itself; the tests that follow get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def plan_of(root: Path, **options: object) -> FeaturePlan:
    frames = 20 if options.get("timeline") else 0
    contents = {3: "etag:3", 4: "etag:4 [10-40]"}
    features = write_features(root / "features", {"a": [0, 1, 2], "b": [3, 4]}, contents=contents, frames=frames)
    checkpoint = write_trained(root / "checkpoint", trained())
    plan = make_feature_plan(scoring_config(features, checkpoint, root / "labels", **options).settings())
    plan.scorer.setup()
    return plan


def labels(content: bytes | None) -> dict[str, list[dict[str, Any]]]:
    assert content is not None
    table = pq.read_table(io.BytesIO(content))
    return dict(zip(table.column("id").to_pylist(), table.column("labels").to_pylist(), strict=True))


def test_every_row_gets_the_classifiers_top_classes_whatever_file_it_is_in(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, top_k=2)
    (portion,) = plan.portions(NOTHING)
    assert portion.videos == 5
    scored = plan.scorer(portion)
    found = labels(scored.shard)
    assert sorted(found) == names(*range(5))
    assert (scored.videos, scored.unread, scored.unlabelled) == (5, (), 0)
    for first, second in found.values():
        assert first["score"] >= second["score"]


def test_the_ledger_holds_what_the_features_were_made_from(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    scored = plan.scorer(plan.portions(NOTHING)[0])
    assert scored.ledger is not None
    ledger = pq.read_table(io.BytesIO(scored.ledger)).to_pydict()
    assert dict(zip(ledger["id"], ledger["content"], strict=True))[names(3)[0]] == "etag:3"


def test_labels_of_a_video_do_not_depend_on_the_other_files_of_its_portion(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    (together,) = plan.portions(NOTHING)
    done = Labelled(pa.chunked_array([names(0, 1, 2)]), pa.chunked_array([["etag:1"] * 3]))
    (rest,) = plan.portions(done)
    assert [piece.rows.tolist() for piece in rest.pieces] == [[0, 1]]
    whole, part = labels(plan.scorer(together).shard), labels(plan.scorer(rest).shard)
    assert part == {video: whole[video] for video in names(3, 4)}


def test_rows_that_are_not_in_the_portion_are_left_out(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    (portion,) = plan.portions(Labelled(pa.chunked_array([names(0, 2)]), pa.chunked_array([["etag:1"] * 2])))
    assert sorted(labels(plan.scorer(portion).shard)) == names(1, 3, 4)


def test_a_file_that_cannot_be_read_leaves_the_others_of_its_portion(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    (portion,) = plan.portions(NOTHING)
    damaged = tmp_path / "features" / "features" / "a.parquet"
    content = bytearray(damaged.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    damaged.write_bytes(content)
    scored = plan.scorer(portion)
    assert sorted(labels(scored.shard)) == names(3, 4)
    (unread,) = scored.unread
    assert (unread.videos, unread.uri.endswith("a.parquet")) == (3, True)
    assert unread.message


def test_it_shares_a_process_and_takes_a_gpu_where_there_is_one(tmp_path: Path) -> None:
    resources = plan_of(tmp_path).scorer.resources
    assert (resources.cpus, resources.gpus, resources.shares_process, resources.gives_up_if_busy) == (1, 1, True, True)


def test_scores_are_those_of_the_network(tmp_path: Path) -> None:
    features = write_features(tmp_path / "features", {"a": [0, 1]})
    checkpoint = write_trained(tmp_path / "checkpoint", trained("logistic", classes=3, bias=(2.0, 0.0, 1.0)))
    plan = make_feature_plan(scoring_config(features, checkpoint, tmp_path / "labels").settings())
    plan.scorer.setup()
    for found in labels(plan.scorer(plan.portions(NOTHING)[0]).shard).values():
        assert [one["index"] for one in found] == [10, 12, 11]
        expected = torch.softmax(torch.tensor([2.0, 1.0, 0.0]), dim=0)
        np.testing.assert_allclose([one["score"] for one in found], expected, rtol=1e-5)


def test_labels_of_a_video_with_a_timeline_are_means_over_its_steps(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, timeline=True, timeline_top_k=6, event_threshold=0.25)
    (portion,) = plan.portions(NOTHING)
    scored = plan.scorer(portion)
    assert scored.shard is not None
    rows = {row["id"]: row for row in pq.read_table(io.BytesIO(scored.shard)).to_pylist()}
    assert sorted(rows) == names(*range(5))
    for number, name in enumerate(names(*range(5))):
        timeline = rows[name]["timeline"]
        seconds = sorted({entry["seconds"] for entry in timeline})
        # Each odd video lacks second 1, the grid point in its gap (`feature_row`).
        first = 10 if number == 4 else 0
        missing = {1} if number % 2 else set()
        count = 20 + number % 3 + len(missing)
        assert seconds == [second for second in range(first, first + count) if second not in missing]
        means = {
            index: np.mean([entry["score"] for entry in timeline if entry["index"] == index]) for index in range(10, 16)
        }
        assert [label["index"] for label in rows[name]["labels"]] == sorted(means, key=lambda index: -means[index])
        for label in rows[name]["labels"]:
            assert label["score"] == pytest.approx(means[label["index"]], rel=1e-5)
    assert any(row["events"] for row in rows.values())
    assert scored.steps == sum(len(row["timeline"]) // 6 for row in rows.values())


def test_a_file_whose_gaps_cannot_be_read_leaves_the_others_of_its_portion(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, timeline=True)
    (portion,) = plan.portions(NOTHING)
    replace_column(tmp_path / "features" / "features" / "a.parquet", "gaps", pa.array([["1-2"]] * 3))
    scored = plan.scorer(portion)
    assert sorted(labels(scored.shard)) == names(3, 4)
    (unread,) = scored.unread
    assert "column gaps is list" in unread.message


@pytest.mark.cuda
def test_it_labels_on_a_gpu(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert next(plan.scorer.classifier.model.parameters()).is_cuda
    on_gpu = labels(plan.scorer(plan.portions(NOTHING)[0]).shard)
    plan.scorer.classifier.to(torch.device("cpu"))
    on_cpu = labels(plan.scorer(plan.portions(NOTHING)[0]).shard)
    assert on_gpu.keys() == on_cpu.keys()
    for name, found in on_gpu.items():
        scores = [[one["score"] for one in each] for each in (found, on_cpu[name])]
        np.testing.assert_allclose(*scores, atol=1e-4)

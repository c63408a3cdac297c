"""Labels of features as a part of a night: due when there are features without labels, or a run has died."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.engines.local import LocalEngine
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.feature_labels import FeatureLabels
from cluster.scoring.plan import read_checkpoint_at
from schemas.nights import NightCounts
from tests.support.checkpoints import trained, write_trained
from tests.support.features import DIM, FINGERPRINT
from tests.support.nights import die_with_lease
from tests.support.scoring import label_ids, names, scoring_config, write_features


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_trained(tmp_path / "classifier", trained())
    return tmp_path


def part_of(root: Path, run_id: str = "r1") -> FeatureLabels:
    settings = scoring_config(root / "features", root / "classifier", root / "labels", only_new=True).settings()
    classifier = TrainedClassifier({"c": read_checkpoint_at(str(root / "classifier"))})
    features = FeatureDataset(
        str(root / "features"), run_id=run_id, rgb_dim=DIM, frame_features=False, fingerprint=FINGERPRINT
    )
    return FeatureLabels(settings, classifier, features, LocalEngine())


def test_without_features_nothing_is_due(root: Path) -> None:
    part = part_of(root)
    assert (part.is_due(), part.dataset(), part.outcome_of("r0")) == (False, None, None)


def test_features_are_labelled_once(root: Path) -> None:
    write_features(root / "features", {"a": [1, 2], "b": [3]})
    part = part_of(root)
    assert part.is_due()
    with part.lease() as lease:
        outcome = part.carry_out(lease)
    assert (outcome.status, outcome.counts) == ("completed", NightCounts(labelled=3))
    assert outcome.cost.scoring_seconds > 0
    assert label_ids(root / "labels") == names(1, 2, 3)
    assert part.outcome_of(part.run_id) == outcome
    again = part_of(root)
    assert not again.is_due()
    die_with_lease(root / "labels" / "lease.json")
    assert again.is_due()


def test_files_that_cannot_be_read_are_told_of_this_run(root: Path) -> None:
    write_features(root / "features", {"a": [1, 2], "b": [3]})
    part = part_of(root)
    assert part.is_due()
    shutil.copyfile(root / "classifier" / "config.json", root / "features" / "features" / "b.parquet")
    with part.lease() as lease:
        outcome = part.carry_out(lease)
    assert outcome.counts == NightCounts(labelled=2, unread=1)
    runs = DayRuns("r1", LocalEngine().machine(), None)
    runs.add(outcome)
    assert part.tally(runs) == (1, 2)

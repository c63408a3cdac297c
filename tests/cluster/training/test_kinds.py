"""Training data by kind: the options decide which."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.features.files import FeatureFileError
from cluster.training.clip_data import ClipData, ClipDataError
from cluster.training.config import CLIPS, FEATURES, LIPS
from cluster.training.feature_data import FeatureData
from cluster.training.kinds import KINDS, load_training_data
from tests.support.trainings import clip_config, training_config, write_features, write_videos


def test_features_and_clips(tmp_path: Path) -> None:
    assert set(KINDS) == {FEATURES, CLIPS, LIPS}
    config = training_config(write_features(tmp_path / "features", 60), tmp_path / "out")
    assert isinstance(load_training_data(config.settings()), FeatureData)
    config = clip_config(write_videos(tmp_path / "videos", 5, frames=1), tmp_path / "out")
    assert isinstance(load_training_data(config.settings()), ClipData)


def test_unusable_data_are_an_error_of_their_kind(tmp_path: Path) -> None:
    with pytest.raises(FeatureFileError, match="does not exist"):
        load_training_data(training_config(tmp_path / "nowhere", tmp_path / "out").settings())
    listed = tmp_path / "manifest.csv"
    listed.write_text("id,uri\na,a.mp4\n")
    with pytest.raises(ClipDataError, match="no video has a label in column labels"):
        load_training_data(clip_config(listed, tmp_path / "out").settings())

"""What the tests of trainings share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.trainings import write_features


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of 300 videos in three classes."""
    return write_features(tmp_path_factory.mktemp("features"))

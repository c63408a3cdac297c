"""Training engines by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from cluster.training.engines import TRAINING_ENGINES, make_training_engine
from cluster.training.local import LocalTraining
from cluster.training.option_groups import LOCAL, RAY
from tests.support.trainings import training_config


def test_every_engine_of_the_options_has_a_module() -> None:
    assert set(TRAINING_ENGINES) == {LOCAL, RAY}
    for module in TRAINING_ENGINES.values():
        assert callable(import_module(module).make_engine)


def test_the_options_name_the_engine(tmp_path: Path) -> None:
    options = training_config(tmp_path, tmp_path, engine="local").engine
    assert isinstance(make_training_engine(options), LocalTraining)

"""Training engines by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch

from cluster.training.base import ResourceError
from cluster.training.engines import TRAINING_ENGINES, is_on_cpu, make_training_engine
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


@pytest.mark.parametrize(
    ("gpus", "options", "expected"),
    [
        (0, {"engine": "ray"}, True),
        (0, {"engine": "local"}, True),
        (2, {"engine": "ray"}, False),
        (2, {"engine": "ray", "device": "cpu"}, True),
        (0, {"engine": "ray", "address": "host:6379"}, False),  # only that cluster knows
        (0, {"engine": "ray", "address": "host:6379", "device": "gpu"}, False),
    ],
)
def test_what_is_certain_before_an_engine_starts(
    gpus: int, options: dict[str, str], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert is_on_cpu(training_config(tmp_path, tmp_path, **options).engine) == expected


def test_a_gpu_that_this_machine_lacks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ResourceError, match="--device gpu: this machine has no GPU"):
        is_on_cpu(training_config(tmp_path, tmp_path, engine="ray", device="gpu").engine)

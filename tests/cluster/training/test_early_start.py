"""The cluster of a training that is certain to take place starts before anything heavy is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from classifiers.weights.checkpoint import CONFIG_FILE
from cluster.runs.lifecycle import ExitCode
from cluster.training.early_start import FINISHED, EarlyCluster, run_training
from tests.support.clusters import descendants
from tests.support.dataset import ROOT
from tests.support.trainings import record_of, training_config

DRIVER = """
import sys
from cluster.training import early_start
assert not {"aiohttp", "fsspec", "ray", "torch"} & set(sys.modules)
"""


def test_a_driver_imports_nothing_heavy_before_its_cluster_starts() -> None:
    subprocess.run([sys.executable, "-c", DRIVER], check=True, cwd=ROOT, timeout=100)
    assert FINISHED == CONFIG_FILE


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ({"engine": "ray"}, True),
        ({"engine": "ray", "address": "127.0.0.1:1"}, False),
        ({"engine": "local"}, False),
        ({"engine": "ray", "output": "old"}, False),
        ({"engine": "ray", "output": "s3://bucket/new"}, False),
    ],
)
def test_only_a_training_that_is_certain_to_take_place_begins(
    options: dict[str, Any], begins: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    begun: list[EarlyCluster] = []
    monkeypatch.setattr(EarlyCluster, "begin", lambda self: begun.append(self))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").write_text("{}")
    output = options.pop("output", "new")
    place = output if "://" in output else str(tmp_path / output)
    config = training_config(tmp_path / "none", tmp_path, **options).with_values(output=place)
    assert run_training(config) == ExitCode.BAD_INPUT  # whatever has begun
    assert len(begun) == begins


def test_one_that_began_early_is_what_it_would_be_and_leaves_no_process(dataset: Path, tmp_path: Path) -> None:
    before = set(descendants(os.getpid()))
    for name, engine in (("here", "local"), ("there", "ray")):
        config = training_config(dataset, tmp_path / name, engine=engine, workers=1)
        assert run_training(config) == ExitCode.DONE
    assert record_of(tmp_path / "there").machine.engine == "ray"
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("here", "there"))
    assert one == other
    assert set(descendants(os.getpid())) <= before


def test_a_cluster_that_nobody_needed_ends() -> None:
    before = set(descendants(os.getpid()))
    with closing(EarlyCluster()) as cluster:
        assert cluster.connection() is None
        cluster.begin()
        assert cluster.connection().has_started
        assert set(descendants(os.getpid())) > before
    assert set(descendants(os.getpid())) <= before

"""The engine of a dataset without labels begins to start before the run is planned, and nothing heavy is imported."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.datasets.row_dataset import FAILURES, LEDGER
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS, ScoringOptions
from cluster.scoring.early_start import SETTLED, WORKER_IMPORTS, run_scoring
from tests.support.dataset import ROOT
from tests.support.engines import begun_engines

DAY = "2026-02-03"
DRIVER = """
import sys
from cluster.scoring import early_start
assert not {"aiohttp", "fsspec", "ray", "torch"} & set(sys.modules)
"""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    return begun_engines(monkeypatch)


def test_a_driver_imports_nothing_heavy_before_its_engine_starts() -> None:
    subprocess.run([sys.executable, "-c", DRIVER], check=True, cwd=ROOT, timeout=100)
    assert SETTLED == (LEDGER, FAILURES)
    for name in (name for names in WORKER_IMPORTS.values() for name in names):
        importlib.import_module(name)


@pytest.mark.parametrize(
    ("options", "present", "begins"),
    [
        ({}, "", True),
        ({}, "ledger/date=2026-02-02", True),  # of another day
        ({}, f"ledger/date={DAY}", False),
        ({}, f"failures/date={DAY}", False),
        ({"only_new": True}, "ledger/date=2026-02-02", False),
        ({"only_new": True}, "runs", True),
        ({"labels": "s3://bucket/labels"}, "", False),
        ({"engine": "local"}, "", False),  # in this process
        ({"engine": "local", "videos": "/none-such", "features": ()}, "", True),
    ],
)
def test_only_a_run_that_is_certain_to_have_work_begins(
    options: dict[str, Any], present: str, begins: bool, begun: list[tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "labels" / present).mkdir(parents=True)
    given: dict[str, Any] = {"features": ("/none-such",), "labels": str(tmp_path / "labels"), "date": DAY}
    scoring = ScoringOptions.of(**{**given, "checkpoint": ("/none-such",), **options})
    assert run_scoring(scoring) == ExitCode.BAD_INPUT  # whatever has begun
    assert begun == [WORKER_IMPORTS[OF_FEATURES if scoring.videos is None else OF_VIDEOS]] * begins

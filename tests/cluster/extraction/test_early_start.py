"""The engine of a new dataset begins to start before the run is planned, and nothing heavy is imported for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.extraction.config import ExtractionOptions
from cluster.extraction.early_start import WORKER_IMPORTS, run_extraction
from cluster.runs.lifecycle import ExitCode
from tests.support.dataset import ROOT
from tests.support.engines import begun_engines

DRIVER = """
import sys
from cluster.extraction import early_start
assert not {"aiohttp", "fsspec", "jinja2", "pyarrow", "ray", "torch"} & set(sys.modules)
from cluster.extraction import job
assert not {"aiohttp", "fsspec", "ray", "torch"} & set(sys.modules)
"""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    return begun_engines(monkeypatch)


def test_a_driver_imports_neither_torch_nor_ray() -> None:
    subprocess.run([sys.executable, "-c", DRIVER], check=True, cwd=ROOT, timeout=100)


@pytest.mark.parametrize(
    ("output", "dry_run", "begins"),
    [("new", False, True), ("new", True, False), ("old", False, False), ("s3://bucket/new", False, False)],
)
def test_only_a_run_that_is_certain_to_have_work_begins(
    output: str, dry_run: bool, begins: bool, begun: list[tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "old" / "features").mkdir(parents=True)
    place = output if "://" in output else str(tmp_path / output)
    options = ExtractionOptions.of(input=str(tmp_path / "none"), output=place, engine="local", dry_run=dry_run)
    options = options.with_values(**dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "none-such"))
    assert run_extraction(options) == ExitCode.BAD_INPUT  # whatever has begun
    assert begun == [WORKER_IMPORTS] * begins

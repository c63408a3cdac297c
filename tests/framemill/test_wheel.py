"""The package outside of the repository: built, installed into an empty environment, and used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest

import framemill
from tests.support.dataset import ROOT, job_environment
from tests.test_imports import OURS

pytestmark = pytest.mark.heavy
RANDOM = ["--weights", "random:0", "--pca", "random:0", "--audio-weights", "random:0", "--audio-pca", "random:0"]
SCRIPT = """
import framemill

for frame in framemill.sample("a.mp4"):
    print(frame.image.shape, frame.seconds + 1)
error: type[Exception] = framemill.InputError
embedder = framemill.FrameEmbedder("random:0")
print(embedder.video("a.mp4").mean_rgb.mean(), framemill.models()[0].name.upper())
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, as building leaves files behind."""
    folder = tmp_path_factory.mktemp("source")
    for package in OURS:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel; dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    run([sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", folder, source])
    run([sys.executable, "-m", "venv", folder / "env"])
    wheel = next(folder.glob("framemill-*.whl"))
    assert framemill.__version__ in wheel.name
    run([folder / "env/bin/python", "-m", "pip", "install", "--no-deps", "--no-index", wheel])
    site = next((folder / "env").glob("lib/python*/site-packages"))
    # A path in a .pth file; the .pth files there, of which one leads to the repository, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "env/bin"


def run(command: list[str | Path], cwd: Path | None = None) -> str:
    environment = {name: value for name, value in job_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_comes_from_the_repository(installed: Path, tmp_path: Path) -> None:
    code = "import framemill, jobs, cluster, schemas; print(framemill.__file__, jobs.__file__, cluster.__file__)"
    assert str(ROOT) + os.sep not in run([installed / "python", "-c", code], tmp_path)
    assert run([installed / "framemill", "--version"], tmp_path) == f"framemill {framemill.__version__}\n"


def test_the_steps_of_the_demo(installed: Path, tmp_path: Path) -> None:
    def step(*words: str) -> str:
        return run([installed / "framemill", *words], tmp_path)

    step("samples", "--output", "videos", "--count", "36", "--nights", "1")
    step("extract", "--input", "videos/manifest.csv", "--output", "features", "--max-failure-ratio", "1", *RANDOM)
    train = "--features features --output classifier --split column --model logistic --epochs 2 --batch-size 9"
    step("train", *train.split())
    label = "--videos videos/night-1.csv --features features --checkpoint classifier --labels labels --engine local"
    step("nightly", *label.split(), "--max-failure-ratio", "1")
    assert (tmp_path / "labels/report.html").is_file()
    found = pd.concat(map(pd.read_parquet, (tmp_path / "labels").glob("date=*/*.parquet")))
    assert len(found) >= 36
    assert step("doctor").startswith("ok  framemill")


def test_submitting_sends_no_installed_packages(installed: Path, tmp_path: Path) -> None:
    command = [installed / "framemill", "submit", "--", "python", "-V"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "--working-dir is required where Framemill is installed as a package" in done.stderr


def test_programs_are_checked_against_its_types(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(SCRIPT)
    (tmp_path / "bad.py").write_text(SCRIPT.replace("frame.seconds + 1", "frame.seconds + 'a'"))
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed / "python"]
    assert "no issues" in run([*check, "good.py"], tmp_path)
    done = subprocess.run([*map(str, check), "bad.py"], capture_output=True, text=True, cwd=tmp_path)
    assert "Unsupported operand types for +" in done.stdout


def test_the_source_distribution_builds_the_same_wheel(source: Path, tmp_path: Path) -> None:
    code = "from setuptools import build_meta; print(build_meta.build_sdist('dist'))"
    run([sys.executable, "-c", code], source)
    archive = next((source / "dist").glob("*.tar.gz"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", tmp_path]
    run([*build, archive])
    assert (tmp_path / f"framemill-{framemill.__version__}-py3-none-any.whl").is_file()

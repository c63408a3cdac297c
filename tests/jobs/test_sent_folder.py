"""What `ray job submit --working-dir .` sends to a cluster: the code, and nothing that the documented commands make."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import create_package

from tests.support.dataset import ROOT

OPTIONS = "input output features labels checkpoint videos submission init-weights"
PLACE = re.compile(rf"--(?:{OPTIONS.replace(' ', '|')}) ([\w$()./-]+)")
ELSEWHERE = re.compile(r"gs|s3|/|[A-Z]+$|inception-")  # buckets, absolute paths, words that stand for a place, weights
# Manifests are small, and a job needs them.
CODE = ("jobs/extract_features.py", "cluster/features/source.py", "pyproject.toml", "manifest.csv", "nightly.toml")


def documented_places() -> set[str]:
    """The first parts of relative paths in the commands of the pages, of the jobs' help and of the Makefile."""
    pages = [ROOT / "README.md", *ROOT.glob("c*/**/README.md"), *ROOT.glob("jobs/*.py"), ROOT / "Makefile"]
    found = {place for page in pages for place in PLACE.findall(page.read_text())}
    found = {re.sub(r"\$\((\w+)\)", lambda variable: variable[1].lower(), place) for place in found}
    tables = {place for place in found if place.endswith(".csv") and place != "submission.csv"}
    return {place.split("/")[0] for place in found - tables if not ELSEWHERE.match(place)}


def sent(folder: Path, package: Path) -> list[str]:
    """The files that Ray sends of a folder."""
    create_package(str(folder), package, include_gitignore=True, excludes=get_runtime_env_default_excludes())
    with ZipFile(package) as archive:
        return sorted(name for name in archive.namelist() if not name.endswith("/"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The code, and the ignore file beside it."""
    folder = tmp_path / "framemill"
    for name in CODE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("code")
    shutil.copy(ROOT / ".gitignore", folder)
    return folder


def test_data_that_documented_commands_make_stay_here(checkout: Path, tmp_path: Path) -> None:
    places = documented_places()
    made = {"videos", "features", "classifier", "labels", "demo", "recordings", "submission.csv", "c3d.pickle"}
    assert made <= places
    for place in {*places, "bench", ".venv"}:
        if Path(place).suffix:
            (checkout / place).write_text("data")
        else:
            (checkout / place / "deeper").mkdir(parents=True)
            (checkout / place / "deeper" / "a.mp4").write_text("data")
    assert sent(checkout, tmp_path / "sent.zip") == sorted([".gitignore", *CODE])


def test_links_to_data_are_not_followed(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.mp4").write_text("data")
    for name in ("videos", "features"):
        (checkout / name).symlink_to(tmp_path / "disk")
    assert sent(checkout, tmp_path / "sent.zip") == sorted([".gitignore", *CODE])

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.runs.job_folder import job_folder_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as Ray makes it for a job, and where the process is."""
    folder = tmp_path / "ray" / "session_1" / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_places_in_the_folder_of_a_job(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for uri in ("out", "./a/b.csv", ".", "a/../../_ray_pkg_1", f"{folder}/out", f"file://{folder}/out"):
        assert job_folder_of(uri) == str(folder)
    assert job_folder_of(f"{tmp_path}/link/out") == str(folder)


def test_other_places(folder: Path, tmp_path: Path) -> None:
    (folder / "shared").symlink_to(tmp_path / "shared")  # where it leads is kept
    for uri in (
        f"{tmp_path}/out",
        "/out",
        "~/out",
        "../../../../out",
        "shared/out",
        "gs://b/runtime_resources",
        "ftp://x",
    ):
        assert job_folder_of(uri) == ""


def test_what_is_no_place_is_left_to_others(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    assert job_folder_of("a\0b") == ""
    assert job_folder_of("loop/a") == str(folder)


def test_outside_of_jobs_relative_paths_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert job_folder_of("out") == ""

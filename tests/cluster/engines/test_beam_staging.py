from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.engines import beam_staging
from cluster.engines.beam_staging import Staging, has_driver, write_outcomes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "staging"


def outcomes_of(staging: Staging) -> list[bytes]:
    return sorted(content for contents in staging.take_outcomes() for content in contents)


def test_outcomes_are_taken_once(folder: Path) -> None:
    staging = Staging(str(folder))
    assert outcomes_of(staging) == []
    written = [f"{number:03d}".encode() for number in range(70)]
    for content in written:
        write_outcomes(staging.uri, content)
    assert outcomes_of(staging) == written
    assert outcomes_of(staging) == []
    assert not list(folder.rglob("outcomes/*"))


def test_outcomes_that_were_not_taken_stay(folder: Path) -> None:
    staging = Staging(str(folder))
    write_outcomes(staging.uri, b"a")
    next(staging.take_outcomes())  # the driver is interrupted here
    assert outcomes_of(staging) == [b"a"]


def test_what_dead_runs_have_left_is_removed_and_each_run_has_its_own(folder: Path) -> None:
    dead = Staging(str(folder))
    write_outcomes(dead.uri, b"dead")
    staging = Staging(str(folder))
    assert staging.uri != dead.uri
    assert [str(path) for path in folder.iterdir()] == [staging.uri]
    write_outcomes(dead.uri, b"a worker of the dead run is still at it")
    assert outcomes_of(staging) == []
    staging.delete()
    assert not folder.exists()


def test_workers_see_whether_the_driver_lives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = Staging(str(folder))
    assert has_driver(staging.uri)
    monkeypatch.setattr(beam_staging, "EXPIRY_SECONDS", 0.2)
    time.sleep(0.3)
    assert not has_driver(staging.uri)
    staging.renew()
    assert not has_driver(staging.uri), "it is not time yet"
    monkeypatch.setattr(beam_staging, "RENEW_SECONDS", 0.1)
    staging.renew()
    assert has_driver(staging.uri)
    staging.delete()
    assert not has_driver(staging.uri)

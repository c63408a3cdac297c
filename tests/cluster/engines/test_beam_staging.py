from __future__ import annotations

from pathlib import Path

import pytest

from cluster.engines import beam_staging
from cluster.engines.beam_staging import Staging, has_driver, write_outcomes
from tests.support.clocks import Clock


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
    clock = Clock()
    monkeypatch.setattr(beam_staging, "time", clock)
    staging = Staging(str(folder))
    assert has_driver(staging.uri)
    clock.advance(beam_staging.EXPIRY_SECONDS + 1)
    assert not has_driver(staging.uri)
    staging.renew()
    assert has_driver(staging.uri)
    before = (Path(staging.uri) / "driver").read_bytes()
    clock.advance(beam_staging.RENEW_SECONDS / 2)
    staging.renew()
    assert (Path(staging.uri) / "driver").read_bytes() == before, "it is not time yet"
    clock.advance(beam_staging.RENEW_SECONDS)
    staging.renew()
    assert (Path(staging.uri) / "driver").read_bytes() != before
    assert has_driver(staging.uri)
    staging.delete()
    assert not has_driver(staging.uri)

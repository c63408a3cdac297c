from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.serving.spool import PREFIX, Spool
from schemas.errors import InputError
from tests.support.dataset import ROOT

PROGRAM = """
import sys, time
from cluster.serving.spool import Spool
spool = Spool(sys.argv[1])
spool.new_file().write_bytes(b"upload")
print(spool.folder, flush=True)
time.sleep(100)
"""


def test_a_folder_is_private_and_goes_with_its_service(tmp_path):
    spool = Spool(str(tmp_path))
    assert spool.folder.stat().st_mode & 0o077 == 0
    assert not spool.new_file().exists()
    assert spool.new_file().parent == spool.folder
    spool.new_file().write_bytes(b"upload")
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_service_left_is_removed_and_nothing_of_a_running_one(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    folder = process.stdout.readline().strip()
    beside = Spool(str(tmp_path))
    assert (beside.removed, len(os.listdir(folder))) == (0, 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    after = Spool(str(tmp_path))
    assert after.removed == 1
    assert not os.path.exists(folder)
    assert beside.folder.is_dir()
    beside.close()
    after.close()


def test_a_folder_that_another_start_removes_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    real, seen = fcntl.flock, list[Path]()

    def late(lock, how):
        if how == fcntl.LOCK_EX and not seen:
            seen.extend(tmp_path.iterdir())
            Spool(str(tmp_path)).close()  # takes what is not locked yet for abandoned
        real(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    spool = Spool(str(tmp_path))
    assert len(seen) == 1
    assert not seen[0].exists()
    spool.new_file().write_bytes(b"upload")
    spool.close()


def test_other_folders_stay(tmp_path):
    (tmp_path / f"{PREFIX}mine").mkdir()
    (tmp_path / f"{PREFIX}mine" / "file").write_text("no lock beside it")
    Spool(str(tmp_path)).close()
    assert (tmp_path / f"{PREFIX}mine" / "file").exists()


def test_a_place_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--uploads"):
        Spool(str(tmp_path / "file"))

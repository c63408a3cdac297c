import subprocess
import sys
from pathlib import Path

import pytest

from cluster.storage import file_lock
from cluster.storage.file_lock import LockTimeoutError, UnsupportedLockError, locked

HOLD = """
import sys
from cluster.storage.file_lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a.lock")


@pytest.fixture
def no_patience(monkeypatch):
    monkeypatch.setattr(file_lock, "WAIT_SECONDS", 0.1)


def test_a_lock_excludes_others_until_it_is_released(path, no_patience):
    with (
        locked(path),
        pytest.raises(LockTimeoutError, match="another process does not release this lock"),
        locked(path),
    ):
        pass
    with locked(path):
        pass


def test_a_lock_is_released_whatever_happens(path, no_patience):
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    with locked(path):
        pass


def test_a_dead_process_holds_no_lock(path, no_patience):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockTimeoutError), locked(path):
        pass
    process.kill()
    process.communicate()
    with locked(path):
        pass


def test_whoever_waited_for_a_file_that_was_removed_locks_the_next_one(path, monkeypatch):
    with locked(path):
        old = open(path, "ab")  # noqa: SIM115
        Path(path).unlink()
    opened = iter([old])

    def reopened(*given: str) -> object:
        return next(opened, None) or open(*given)

    monkeypatch.setattr(file_lock, "open", reopened, raising=False)
    with locked(path):
        assert Path(path).exists()
        assert old.closed


def test_a_disk_without_locks_is_told_apart(path, monkeypatch):
    def flock(file: object, operation: int) -> None:
        raise OSError(file_lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_lock.fcntl, "flock", flock)
    with pytest.raises(UnsupportedLockError, match="this file system has no locks"), locked(path):
        pass

"""A process that is suspended in the middle of a commit, overtaken, and goes on: real processes on a real disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.storage import file_lock, lease
from cluster.storage.lease import LeaseError
from tests.support.nightly_writers import VIDEOS, feature_dataset, feature_row

ROOT = Path(__file__).resolve().parents[2]
# A writer on a machine of its own, as it seems, that stops itself at a moment of its second commit.
WRITER = """
import os, signal, sys
from dataclasses import replace
from cluster.storage import fence, holder, local_files
from cluster.storage.lease import LeaseError
from tests.support.nightly_writers import VIDEOS, feature_dataset, feature_row

holder._machine = lambda: "elsewhere"
moment, root = sys.argv[1:]
dataset = feature_dataset(root, "r1")
with dataset.lease():
    dataset.prepare()
    dataset.commit(0, [(feature_row(VIDEOS[0], "r1"), "1")], [], ())

    def stopping(call, moments=[1]):
        def stopped(*given, **named):
            if moments and moments.pop():
                print("stopped", flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)
            return call(*given, **named)
        return stopped

    if moment == "before the lock":
        fence.locked = stopping(fence.locked)
    else:
        os.replace = stopping(os.replace)
    try:
        dataset.commit(1, [(feature_row(VIDEOS[1], "r1"), "1")], [], ())
    except LeaseError as error:
        print(error, flush=True)
    else:
        print("committed", flush=True)
"""


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is not renewed is taken over at once."""
    monkeypatch.setattr(lease.Lease.__init__, "__kwdefaults__", {"renew_seconds": 0.1, "expiry_seconds": 0.5})
    monkeypatch.setattr(file_lock, "WAIT_SECONDS", 0.5)


@pytest.fixture
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A writer that is suspended."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, request.param, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    while "State:\tT" not in Path(f"/proc/{process.pid}/status").read_text():
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


def rows(root: Path) -> list[tuple[str, str]]:
    """Ids, and the runs that made their rows."""
    found = [row for shard in (root / "features").glob("*") for row in pq.read_table(shard).to_pylist()]
    return sorted((row["id"], row["uri"]) for row in found)


def redo(dataset: FeatureDataset) -> None:
    """What the writer was about to do."""
    with dataset.lease():
        assert dataset.prepare().done == {"a": "1"}
        dataset.commit(0, [(feature_row(VIDEOS[1], dataset.run_id), "1")], [], ())


@pytest.mark.parametrize("writer", ["before the lock"], indirect=True)
def test_a_writer_that_is_overtaken_between_its_look_and_its_write(
    writer: subprocess.Popen[str], tmp_path: Path, short_lease: None
) -> None:
    redo(feature_dataset(str(tmp_path), "r2"))
    os.kill(writer.pid, signal.SIGCONT)
    said, _ = writer.communicate(timeout=120)
    assert said.startswith("another run has taken ")
    assert rows(tmp_path) == [("a", "r1"), ("b", "r2")]
    assert not (tmp_path / "lease.json").exists()


@pytest.mark.parametrize("writer", ["inside the lock"], indirect=True)
def test_a_writer_that_is_suspended_inside_the_lock_is_not_overtaken(
    writer: subprocess.Popen[str], tmp_path: Path, short_lease: None
) -> None:
    dataset = feature_dataset(str(tmp_path), "r2")
    with pytest.raises(LeaseError, match=r"a process has stopped in the middle of a write, and holds .*lease\.lock"):
        redo(dataset)
    os.kill(writer.pid, signal.SIGCONT)
    said, _ = writer.communicate(timeout=120)
    assert "committed" in said
    assert rows(tmp_path) == [("a", "r1"), ("b", "r1")]


@pytest.mark.parametrize("writer", ["inside the lock"], indirect=True)
def test_a_writer_that_dies_inside_the_lock_is_overtaken(
    writer: subprocess.Popen[str], tmp_path: Path, short_lease: None
) -> None:
    writer.kill()
    writer.wait()
    redo(feature_dataset(str(tmp_path), "r2"))
    assert rows(tmp_path) == [("a", "r1"), ("b", "r2")]
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith((".", "lease"))]

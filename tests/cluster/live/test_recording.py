"""Recordings, read back with pandas and pyarrow."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cluster.live import recording as module
from cluster.live.recording import Recording, Result
from schemas.recordings import RECORDING_SCHEMA
from tests.support.dataset import ROOT

INDICES, NAMES = (10, 11, 12), ("walk", "run \ud800", "=1+1")
START = 1_790_000_000.25


def result(number: int) -> Result:
    return Result(START + number / 5, number / 5, [number % 3, (number + 1) % 3], [0.75, 0.25])


def recording(path: Path) -> Recording:
    return Recording(str(path), INDICES, NAMES, lambda status: {"status": status, "dropped": 3})


def view_of(path: Path) -> dict[str, object]:
    return dict(json.loads(pq.read_metadata(path).metadata[b"framemill.view"]))


def saved_rows(path: Path) -> int:
    return pq.read_metadata(path).num_rows if path.exists() else -1


def until(path: Path, rows: int) -> None:
    deadline = time.monotonic() + 30
    while saved_rows(path) < rows:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rows_are_those_of_the_results_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.parquet"
    taken = recording(path)
    for number in range(7):
        taken.add(result(number))
    taken.close("completed")
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["time", "seconds", "index", "name", "score"]
    assert len(frame) == taken.rows == 14
    assert list(frame["seconds"]) == pytest.approx([number / 5 for number in range(7) for _ in range(2)])
    assert list(frame["index"][:4]) == [10, 11, 11, 12]
    assert list(frame["name"][:4]) == ["walk", "run \\ud800", "run \\ud800", "=1+1"]
    assert list(frame["score"][:2]) == [0.75, 0.25]
    assert frame["time"].iloc[-1] == pd.Timestamp(START + 1.2, unit="s", tz="UTC").round("us")
    assert pq.read_schema(path).remove_metadata() == RECORDING_SCHEMA
    assert view_of(path) == {"status": "completed", "dropped": 3}
    assert [file.name for file in path.parent.iterdir()] == ["r.parquet"]


def test_the_file_is_there_from_the_first_result_on(tmp_path: Path) -> None:
    taken = recording(tmp_path / "r.parquet")
    taken.add(result(0))
    until(tmp_path / "r.parquet", 2)
    assert view_of(tmp_path / "r.parquet")["status"] == "running"
    taken.close("interrupted")
    assert view_of(tmp_path / "r.parquet")["status"] == "interrupted"


def test_it_grows_by_whole_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_SHARE", 1.0)
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 8)
    path = tmp_path / "r.parquet"
    taken = recording(path)
    for number in range(25):
        taken.add(result(number))
        until(path, 2 * number + 2)
    taken.close("completed")
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [8] * 6 + [2]
    assert list(pd.read_parquet(path)["seconds"][::2]) == pytest.approx([number / 5 for number in range(25)])


def test_without_a_result_there_is_no_file(tmp_path: Path) -> None:
    recording(tmp_path / "r.parquet").close("completed")
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_nothing_is_an_error_soon(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    taken = recording(tmp_path / "file" / "r.parquet")
    taken.add(result(0))
    deadline = time.monotonic() + 30
    with pytest.raises(OSError, match="file"):  # noqa: PT012
        while time.monotonic() < deadline:
            taken.add(result(1))
            time.sleep(0.01)


PROGRAM = """
import sys, time
from cluster.live import recording
from tests.cluster.live.test_recording import INDICES, NAMES, result
recording.SAVE_SECONDS = 0.05
taken = recording.Recording(sys.argv[1], INDICES, NAMES, lambda status: {"status": status})
for number in range(10**9):
    taken.add(result(number))
    time.sleep(0.0005)
"""


def test_whoever_is_killed_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], cwd=ROOT)
    try:
        until(path, 200)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    frame = pd.read_parquet(path)
    assert len(frame) >= 200
    assert list(frame["seconds"][::2]) == pytest.approx([number / 5 for number in range(len(frame) // 2)])
    assert view_of(path)["status"] == "running"


FULL_DISK = """
import resource, sys, time
from pathlib import Path
from cluster.live import recording
from tests.cluster.live.test_recording import INDICES, NAMES, result, until
recording.SAVE_SECONDS = 0.05
path = Path(sys.argv[1])
taken = recording.Recording(str(path), INDICES, NAMES, lambda status: {"status": status})
taken.add(result(0))
until(path, 2)
limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
try:
    for number in range(1, 10**9):
        taken.add(result(number))
        time.sleep(0.001)
except OSError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
taken.close("failed")
print(number)
"""


def test_a_save_that_fails_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    frame = pd.read_parquet(path)
    assert list(frame["seconds"][::2]) == pytest.approx([number / 5 for number in range(int(done.stdout))])
    assert view_of(path)["status"] == "failed"

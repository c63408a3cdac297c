import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cluster.storage.files import write_bytes
from cluster.storage.listing import list_files
from cluster.storage.local_files import TEMPORARY_SUFFIX

REPOSITORY = Path(__file__).parents[3]


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_bytes(str(tmp_path / "taken"), b"x")
    assert os.listdir(tmp_path) == ["taken"]


def test_a_reader_never_sees_a_part(tmp_path):
    target = tmp_path / "shard"
    size = 300_000
    write_bytes(str(target), bytes(size))
    seen: set[bytes] = set()
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            content = target.read_bytes()
            assert len(content) == size
            seen.add(content[:1] + content[-1:])

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 60):
        write_bytes(str(target), bytes([number]) * size)
    is_over.set()
    reader.join()
    assert len(seen) > 1
    assert all(first == last for first, last in seen)


def test_a_writer_that_is_killed_leaves_nothing_visible(tmp_path):
    program = (
        "import sys; from cluster.storage.files import write_bytes\n"
        "for number in range(10**6): write_bytes(f'{sys.argv[1]}/{number:06d}', bytes([number % 251]) * 4_000_000)"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 30
        while len(list(tmp_path.glob("0*"))) < 2 or not list(tmp_path.glob(f".*{TEMPORARY_SUFFIX}")):
            assert time.monotonic() < deadline  # it is killed while it writes
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    files = list(list_files(str(tmp_path)))
    assert [file.size_bytes for file in files] == [4_000_000] * len(files)
    assert [Path(file.uri).name for file in files] == [f"{number:06d}" for number in range(len(files))]
    assert set(tmp_path.glob("*")) - {Path(file.uri) for file in files} == set(tmp_path.glob(".*"))

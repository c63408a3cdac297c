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
from cluster.storage.local_files import TEMPORARY_SUFFIX, walk_files
from tests.support.folders import touch, unreadable_folder

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
        deadline = time.monotonic() + 300
        while len(list(tmp_path.glob("0*"))) < 2 or not list(tmp_path.glob(f".*{TEMPORARY_SUFFIX}")):
            assert time.monotonic() < deadline  # it is killed while it writes
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    files = list(list_files(str(tmp_path)))
    assert [file.size_bytes for file in files] == [4_000_000] * len(files)
    assert [Path(file.uri).name for file in files] == [f"{number:06d}" for number in range(len(files))]
    assert set(tmp_path.glob("*")) - {Path(file.uri) for file in files} == set(tmp_path.glob(".*"))


def test_linked_folders_are_walked_once_and_circles_end(tmp_path):
    touch(tmp_path, "in/b/1.mp4", "in/z.mp4", "out/2.mp4", "out/deep/3.mp4")
    folder = tmp_path / "in"
    (folder / "a").symlink_to(tmp_path / "out")
    (folder / "again").symlink_to(tmp_path / "out")
    (folder / "inner").symlink_to(folder / "b")  # in the tree anyway
    (folder / "b" / "loop").symlink_to(folder)
    (tmp_path / "out" / "up").symlink_to(tmp_path)
    touch(tmp_path, "beside/4.mp4")
    found = [str(Path(path).relative_to(folder)) for path in walk_files(str(folder))]
    assert found == ["b/1.mp4", "z.mp4", "a/2.mp4", "a/deep/3.mp4", "a/up/beside/4.mp4"]


def test_a_folder_that_is_not_entered_is_walked_through_a_link(tmp_path):
    touch(tmp_path, ".store/1/a.mp4")
    (tmp_path / "current").symlink_to(tmp_path / ".store" / "1")
    found = list(walk_files(str(tmp_path), lambda name: not name.startswith(".")))
    assert found == [str(tmp_path / "current" / "a.mp4")]


def test_links_to_nowhere_and_to_themselves_are_files(tmp_path):
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.mp4").symlink_to(tmp_path / "self.mp4")
    assert list(walk_files(str(tmp_path))) == [str(tmp_path / name) for name in ("gone.mp4", "self.mp4")]


def test_a_deep_tree_is_walked(tmp_path):
    folders = [tmp_path / "d"]
    while len(folders) <= sys.getrecursionlimit():
        folders.append(folders[-1] / "d")
    for folder in folders:
        folder.mkdir()
    video = folders[-1] / "a.mp4"
    video.touch()
    assert list(walk_files(str(tmp_path))) == [str(video)]
    video.unlink()
    for folder in reversed(folders):
        folder.rmdir()  # `shutil.rmtree` goes no deeper than Python's stack


def test_a_folder_that_cannot_be_read_is_told_or_raised(tmp_path):
    touch(tmp_path, "a.mp4", "z/b.mp4")
    with unreadable_folder(tmp_path) as folder:
        with pytest.raises(OSError, match="too long"):
            list(walk_files(str(tmp_path)))
        unread: list[str] = []
        found = list(walk_files(str(tmp_path), unread=unread))
        assert [Path(path).name for path in found] == ["a.mp4", "b.mp4"]
        assert unread == [str(folder)]
    with pytest.raises(FileNotFoundError):
        list(walk_files(str(tmp_path / "none"), unread=unread))

import os
import threading
from pathlib import Path

import pytest

from cluster.storage import buckets, files
from cluster.storage.exclusion import HIDDEN, Exclusion
from cluster.storage.files import StorageError
from cluster.storage.listing import is_glob, list_files, list_streams
from cluster.storage.versions import versions_of
from tests.support.folders import touch
from tests.support.servers import gs_bucket, s3_bucket


@pytest.fixture(scope="module", params=[gs_bucket, s3_bucket], ids=["gs", "s3"])
def bucket(request):
    with request.param() as uri:
        yield uri


def names(uri: str) -> list[str]:
    return [file.uri for file in list_files(uri)]


def test_a_bucket_is_written_listed_and_read(bucket):
    files.write_bytes(f"{bucket}/s/b/2.mp4", b"two")
    files.write_bytes(f"{bucket}/s/a.mp4", b"one")
    files.write_bytes(f"{bucket}/s/.hidden", b"")
    files.write_bytes(f"{bucket}/s/empty.mp4", b"")
    assert names(f"{bucket}/s/") == [f"{bucket}/s/{name}" for name in ("a.mp4", "b/2.mp4", "empty.mp4")]
    assert names(f"{bucket}/s/*.mp4") == [f"{bucket}/s/{name}" for name in ("a.mp4", "empty.mp4")]
    assert names(f"{bucket}/s/a.mp4") == [f"{bucket}/s/a.mp4"]
    first = next(list_files(f"{bucket}/s/a.mp4"))
    assert (first.size_bytes, first.version.split(":")[0]) == (3, "etag")
    assert files.read_bytes(first.uri) == b"one"
    files.delete(first.uri)
    assert not files.exists(first.uri)
    assert files.exists(f"{bucket}/s/b/2.mp4")


def test_a_version_changes_with_the_bytes(bucket, tmp_path):
    for root in (bucket, str(tmp_path)):
        uri = files.join(root, "changing.mp4")
        files.write_bytes(uri, b"one")
        first = next(list_files(uri)).version
        assert next(list_files(uri)).version == first
        files.write_bytes(uri, b"three")
        assert next(list_files(uri)).version != first


def test_a_folder_is_listed_in_order_without_hidden_files(tmp_path):
    for name in ("b.mp4", "a/z.mp4", "a/.part.tmp", "a b.mp4", "line\nbreak.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    expected = [str(tmp_path / name) for name in ("a b.mp4", "a/z.mp4", "b.mp4", "line\nbreak.mp4")]
    assert names(str(tmp_path)) == names(f"file://{tmp_path}/") == expected
    assert names(str(tmp_path / "a" / "*.mp4")) == [str(tmp_path / "a/z.mp4")]
    assert names(f"file://localhost{tmp_path}/a%20b.mp4") == [str(tmp_path / "a b.mp4")]
    assert names(f"file:{tmp_path}/a%20*") == [str(tmp_path / "a b.mp4")]
    assert versions_of([f"file://{tmp_path}/a%20b.mp4"]).keys() == {f"file://{tmp_path}/a%20b.mp4"}


@pytest.mark.parametrize("name", ["talks [2024]", "what?", "best*of"])
def test_existing_names_with_wildcards_are_not_globs(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a [x1].mp4").write_bytes(b"x")
    assert names(str(folder)) == names(str(folder / "a [x1].mp4")) == [str(folder / "a [x1].mp4")]
    assert not is_glob(str(folder))
    assert is_glob(str(tmp_path / "other" / name))


def test_a_folder_can_be_listed_while_it_changes(tmp_path):
    for number in range(50):
        files.write_bytes(str(tmp_path / f"{number}.mp4"), b"x")
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            files.write_bytes(str(tmp_path / "0.mp4"), b"y")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert {len(names(str(tmp_path))) for _ in range(100)} == {50}
    finally:
        is_over.set()
        writer.join()


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        names(str(tmp_path / "nothing"))


def test_links_are_listed_those_to_nowhere_without_a_version(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.mp4").write_bytes(b"video")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "linked.mp4").symlink_to(tmp_path / "elsewhere" / "real.mp4")
    (folder / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (folder / "self.mp4").symlink_to(folder / "self.mp4")
    listed = {Path(file.uri).name: bool(file.version) for file in list_files(str(folder))}
    assert listed == {"dangling.mp4": False, "linked.mp4": True, "self.mp4": False}


HIDDEN_AND_OTHERS = ("a.mp4", ".a.mp4", ".git/b.mp4", "x/.snapshot/c.mp4", "x/d.mp4", "x/lost+found/e.mp4", "y/f.mkv")


def test_hidden_folders_are_left_out_unless_asked_for(bucket, tmp_path):
    for root in (bucket, str(tmp_path)):
        for name in HIDDEN_AND_OTHERS:
            files.write_bytes(f"{root}/.h/{name}", b"x")

        def found(pattern: str, root: str = root, exclusion: Exclusion = HIDDEN) -> list[str]:
            uris = [file.uri for file in list_files(f"{root}/.h{pattern}", exclusion)]
            return [uri.removeprefix(f"{root}/.h/") for uri in uris]

        assert found("") == found("/") == found("/**") == ["a.mp4", "x/d.mp4", "y/f.mkv"]
        assert found("/*.mp4") == ["a.mp4"]
        assert found("/*/*.mp4") == ["x/d.mp4"]
        assert found("/**/*.mp4") == ["a.mp4", "x/d.mp4"]
        assert found("/.a.mp4") == [".a.mp4"]  # the file itself
        assert found("/.git/") == [".git/b.mp4"]
        assert found("/.*/*.mp4") == [".git/b.mp4"]
        assert found("/*/.snapshot/*") == ["x/.snapshot/c.mp4"]
        assert found("", exclusion=Exclusion(["x", "*.mkv"])) == ["a.mp4"]
        assert found("/*/*", exclusion=Exclusion(["x/*"])) == ["y/f.mkv"]


def test_a_glob_on_disk_matches_what_it_says(tmp_path):
    touch(tmp_path, "v/1.mp4", "v/a/2.mp4", "v/a/b/3.mp4", "v/c/b/4.mp4", "v/c/5.mkv")
    (tmp_path / "v" / "linked").symlink_to(tmp_path / "v" / "a" / "b")
    expected = {
        "v/*": "1.mp4",
        "v/*/*": "a/2.mp4 c/5.mkv linked/3.mp4",
        "v/[ab]/*/*.mp4": "a/b/3.mp4",
        "v/**/b/*": "a/b/3.mp4 c/b/4.mp4",
        "v/**": "1.mp4 a/2.mp4 a/b/3.mp4 c/5.mkv c/b/4.mp4",
        "v/a/**/?.mp4": "a/2.mp4 a/b/3.mp4",
        "*/c/*": "c/5.mkv",
        "v/1.mp4/*": None,
        "none/*": None,
    }
    for pattern, found in expected.items():
        if found is None:
            with pytest.raises(OSError, match="directory"):
                names(f"{tmp_path}/{pattern}")
        else:
            assert names(f"{tmp_path}/{pattern}") == [f"{tmp_path}/v/{name}" for name in found.split()], pattern
    with pytest.raises(StorageError, match="is no pattern"):
        names(f"{tmp_path}/v/a**/*")


def test_many_objects_come_in_pages_in_the_order_of_their_names(bucket, monkeypatch):
    monkeypatch.setattr(buckets, "PAGE_OBJECTS", 7)
    names_given = [f"{number:02d}{suffix}" for number in range(12) for suffix in (".mp4", "/ü&+ ?#[x].mp4")]
    for name in names_given:
        files.write_bytes(f"{bucket}/pages/{name}", b"x")
    expected = sorted(f"{bucket}/pages/{name}" for name in names_given)
    assert names(f"{bucket}/pages") == names(f"{bucket}/pages/**/*.mp4") == expected
    assert names(f"{bucket}/pages/*.mp4") == [uri for uri in expected if uri.count("/") == 4]
    assert versions_of(expected).keys() == set(expected)


def test_folders_of_a_bucket_are_streams_that_can_be_read_at_the_same_time(bucket):
    names = [f"{bucket}/streams/data/{folder}/{number}.mp4" for folder in "abc" for number in range(3)]
    for name in names:
        files.write_bytes(name, b"x")
    streams = [[file.uri for file in stream] for stream in list_streams(f"{bucket}/streams")]
    assert streams == [names[:3], names[3:6], names[6:]], "the only folder is gone into"
    files.write_bytes(f"{bucket}/streams/data/b.mp4", b"x")
    (stream,) = list_streams(f"{bucket}/streams")
    assert [file.uri for file in stream] == sorted([*names, f"{bucket}/streams/data/b.mp4"]), "files beside folders"
    assert len(list(list_files(f"{bucket}/streams"))) == 10

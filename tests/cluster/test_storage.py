import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cluster import storage
from cluster.storage import StorageError
from schemas.outcomes import FailureCode, Stage, VideoError
from tests.servers import gs_bucket, http_files

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "v.mp4").write_bytes(bytes(range(256)) * 40_000)  # larger than what is read ahead
    (folder / "empty.mp4").touch()
    with http_files(folder) as url:
        yield url


@pytest.fixture(scope="module")
def bucket():
    with gs_bucket() as uri:
        yield uri


def refusal(uri: str) -> VideoError:
    with pytest.raises(VideoError) as caught, storage.open_video(uri):
        pytest.fail("it was opened")
    return caught.value


def names(uri: str) -> list[str]:
    return [file.uri for file in storage.list_files(uri)]


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("/a/b.mp4", "file"),
        ("b.mp4", "file"),
        ("C:\\b.mp4", "file"),
        ("file:///a", "file"),
        ("GS://bucket/a", "gs"),
        ("s3a://bucket/a", "s3a"),
        ("https://host/a?b=c", "https"),
        ("talk :: part 1.mp4", "file"),
        ("data:text/plain,hello", "file"),
    ],
)
def test_schemes_are_told(uri, scheme):
    assert storage.scheme_of(uri) == scheme


@pytest.mark.parametrize(
    "uri",
    [
        "zip://x::http://y",
        "simplecache::https://host/a.mp4",
        "filecache::gs://bucket/a.mp4",
        "gs://bucket/x::http://y",
        "ftp://host/a.mp4",
        "memory://a",
        "github://org:repo@/x",
        "hdfs:///a",
        "jar://a.jar",
        "x" * 4096 + "://a",
    ],
)
def test_other_schemes_are_refused_with_those_that_are_known(uri):
    with pytest.raises(StorageError, match="file, gs, gcs, s3, s3a, http, https") as caught:
        storage.filesystem(uri)
    assert len(str(caught.value)) < 800
    assert refusal(uri).code is FailureCode.MISSING


@pytest.mark.parametrize("uri", ["gs://", "s3:///", "https://"])
def test_a_uri_without_a_bucket_is_no_local_path(uri):
    with pytest.raises(StorageError, match="a bucket or host is missing"):
        storage.filesystem(uri)


def test_a_refusal_keeps_no_secret():
    with pytest.raises(StorageError) as caught:
        storage.scheme_of("ftp://user:secret@host/a.mp4")
    assert "secret" not in str(caught.value)


def test_paths_are_joined_for_folders_and_uris():
    assert storage.join("a/", "b", "c") == "a/b/c"
    assert storage.join("/", "b") == "/b"
    assert storage.join("gs://bucket/", "b") == "gs://bucket/b"


def test_a_local_video_is_its_path(tmp_path):
    with storage.open_video(f"file://{tmp_path}/../{tmp_path.name}/a::b.mp4") as source:
        assert source == str(tmp_path / "a::b.mp4")


def test_what_the_decoder_raises_is_passed_on(web, tmp_path):
    for uri in (str(tmp_path / "a.mp4"), f"{web}/v.mp4"):
        for error in (VideoError(FailureCode.TRUNCATED, "cut"), MemoryError(), ZeroDivisionError()):
            with pytest.raises(type(error)) as caught, storage.open_video(uri):
                raise error
            assert caught.value is error


@pytest.mark.parametrize("folder", ["", "whole/"])
def test_a_video_over_http_is_read_anywhere(web, folder):
    with storage.open_video(f"{web}/{folder}v.mp4?signature=abc") as file:
        assert file.seekable()
        assert file.read(3) == b"\x00\x01\x02"
        assert file.seek(-2, os.SEEK_END) == 256 * 40_000 - 2
        assert file.read() == b"\xfe\xff"
        assert file.seek(256 * 30_000 + 5) == file.tell() == 256 * 30_000 + 5
        assert file.read(1) == b"\x05"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("nothing.mp4", FailureCode.MISSING),
        ("status/410/v.mp4", FailureCode.MISSING),
        ("status/401/v.mp4", FailureCode.NO_PERMISSION),
        ("status/403/v.mp4", FailureCode.NO_PERMISSION),
        ("status/429/v.mp4", FailureCode.STORAGE),
        ("status/503/v.mp4", FailureCode.STORAGE),
        ("empty.mp4", FailureCode.EMPTY),
        ("whole/empty.mp4", FailureCode.EMPTY),
    ],
)
def test_trouble_over_http_has_its_code(web, path, code):
    error = refusal(f"{web}/{path}?signature=SECRET")
    assert (error.code, error.stage) == (code, Stage.READ)
    assert "SECRET" not in error.message


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("http://127.0.0.1:1/v.mp4", FailureCode.STORAGE),
        ("http://127.0.0.1:port/v.mp4", FailureCode.MISSING),
        ("http://127.0.0.1:1/line\nbreak\x00.mp4", FailureCode.STORAGE),
    ],
)
def test_addresses_that_nobody_answers(uri, code):
    assert refusal(uri).code is code


def test_trouble_while_reading_is_not_taken_for_the_end_of_the_file(web):
    def decode(file) -> None:
        try:
            file.read(10)
        except Exception as error:  # what libav makes of an error
            raise VideoError(FailureCode.TRUNCATED, "it ends too early") from error

    uri = f"{web}/broken/v.mp4?signature=SECRET"
    with pytest.raises(VideoError) as caught, storage.open_video(uri) as file:
        decode(file)
    assert caught.value.code is FailureCode.STORAGE
    assert "SECRET" not in caught.value.message


def test_a_decoder_that_swallows_trouble_does_not_hide_it(web):
    def decode(file) -> None:
        with pytest.raises(Exception, match="500"):
            file.read(10)

    with pytest.raises(VideoError) as caught, storage.open_video(f"{web}/broken/v.mp4") as file:
        decode(file)
    assert caught.value.code is FailureCode.STORAGE


def test_a_bucket_is_written_listed_and_read(bucket):
    storage.write_bytes(f"{bucket}/s/b/2.mp4", b"two")
    storage.write_bytes(f"{bucket}/s/a.mp4", b"one")
    storage.write_bytes(f"{bucket}/s/.hidden", b"")
    storage.write_bytes(f"{bucket}/s/empty.mp4", b"")
    assert names(f"{bucket}/s/") == [f"{bucket}/s/{name}" for name in ("a.mp4", "b/2.mp4", "empty.mp4")]
    assert names(f"{bucket}/s/*.mp4") == [f"{bucket}/s/{name}" for name in ("a.mp4", "empty.mp4")]
    assert names(f"{bucket}/s/a.mp4") == [f"{bucket}/s/a.mp4"]
    first = next(storage.list_files(f"{bucket}/s/a.mp4"))
    assert (first.size_bytes, first.version.split(":")[0]) == (3, "etag")
    assert storage.read_bytes(first.uri) == b"one"
    with storage.open_video(first.uri) as file:
        assert file.read() == b"one"
    assert refusal(f"{bucket}/s/empty.mp4").code is FailureCode.EMPTY
    assert refusal(f"{bucket}/s/nothing.mp4").code is FailureCode.MISSING
    storage.delete(first.uri)
    assert not storage.exists(first.uri)
    assert storage.exists(f"{bucket}/s/b/2.mp4")


def test_a_version_changes_with_the_bytes(bucket, tmp_path):
    for root in (bucket, str(tmp_path)):
        uri = storage.join(root, "changing.mp4")
        storage.write_bytes(uri, b"one")
        first = next(storage.list_files(uri)).version
        assert next(storage.list_files(uri)).version == first
        storage.write_bytes(uri, b"three")
        assert next(storage.list_files(uri)).version != first


def test_a_folder_is_listed_in_order_without_hidden_files(tmp_path):
    for name in ("b.mp4", "a/z.mp4", "a/.part.tmp", "a b.mp4", "line\nbreak.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    expected = [str(tmp_path / name) for name in ("a b.mp4", "a/z.mp4", "b.mp4", "line\nbreak.mp4")]
    assert names(str(tmp_path)) == names(f"file://{tmp_path}/") == expected
    assert names(str(tmp_path / "a" / "*.mp4")) == [str(tmp_path / "a/z.mp4")]


@pytest.mark.parametrize("name", ["talks [2024]", "what?", "best*of"])
def test_names_with_glob_signs_are_names_where_they_exist(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a [x1].mp4").write_bytes(b"x")
    assert names(str(folder)) == names(str(folder / "a [x1].mp4")) == [str(folder / "a [x1].mp4")]
    assert not storage.is_glob(str(folder))
    assert storage.is_glob(str(tmp_path / "other" / name))


def test_a_folder_can_be_listed_while_it_changes(tmp_path):
    for number in range(50):
        storage.write_bytes(str(tmp_path / f"{number}.mp4"), b"x")
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            storage.write_bytes(str(tmp_path / "0.mp4"), b"y")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert {len(names(str(tmp_path))) for _ in range(100)} == {50}
    finally:
        is_over.set()
        writer.join()


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        names(str(tmp_path / "nothing"))


def test_trouble_with_a_listing_names_the_place_and_no_secret(web):
    with pytest.raises(StorageError, match="503") as caught:
        storage.read_bytes(f"{web}/status/503/v.mp4?signature=SECRET")
    assert "SECRET" not in str(caught.value)


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        storage.write_bytes(str(tmp_path / "taken"), b"x")
    assert os.listdir(tmp_path) == ["taken"]


def test_a_reader_never_sees_a_part(tmp_path):
    target = tmp_path / "shard"
    size = 300_000
    storage.write_bytes(str(target), bytes(size))
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
        storage.write_bytes(str(target), bytes([number]) * size)
    is_over.set()
    reader.join()
    assert len(seen) > 1
    assert all(first == last for first, last in seen)


def test_a_writer_that_is_killed_leaves_nothing_visible(tmp_path):
    program = (
        "import sys; from cluster.storage import write_bytes\n"
        "for number in range(10**6): write_bytes(f'{sys.argv[1]}/{number:06d}', bytes([number % 251]) * 4_000_000)"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".*.tmp")) or len(names(str(tmp_path))) < 2:  # killed while it writes
            assert time.monotonic() < deadline
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    files = list(storage.list_files(str(tmp_path)))
    assert [file.size_bytes for file in files] == [4_000_000] * len(files)
    assert [Path(file.uri).name for file in files] == [f"{number:06d}" for number in range(len(files))]
    assert set(tmp_path.glob("*")) - {Path(file.uri) for file in files} == set(tmp_path.glob(".*"))


def test_links_to_files_are_listed_and_links_to_nowhere_are_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.mp4").write_bytes(b"video")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "linked.mp4").symlink_to(tmp_path / "elsewhere" / "real.mp4")
    (folder / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert [file.uri for file in storage.list_files(str(folder))] == [str(folder / "linked.mp4")]

import pytest

from cluster.storage import files
from cluster.storage.files import StorageError
from cluster.storage.retry import RetryPolicy
from tests.support.servers import http_files


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "v.mp4").write_bytes(bytes(range(256)) * 40_000)  # larger than what is read ahead
    (folder / "empty.mp4").touch()
    with http_files(folder) as url:
        yield url


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("/a/b.mp4", "file"),
        ("b.mp4", "file"),
        ("C:\\b.mp4", "file"),
        ("file:///a", "file"),
        ("file:/a", "file"),
        ("FILE://LocalHost/a", "file"),
        ("GS://bucket/a", "gs"),
        ("s3a://bucket/a", "s3a"),
        ("https://host/a?b=c", "https"),
        ("talk :: part 1.mp4", "file"),
        ("data:text/plain,hello", "file"),
    ],
)
def test_the_scheme_of_a_uri(uri, scheme):
    assert files.scheme_of(uri) == scheme


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
        files.filesystem(uri)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("uri", ["gs://", "s3:///", "https://"])
def test_a_uri_without_a_bucket_is_no_local_path(uri):
    with pytest.raises(StorageError, match="a bucket or host is missing"):
        files.filesystem(uri)


@pytest.mark.parametrize("uri", ["file://", "file://videos", "file://videos/a.mp4", "file://~/a.mp4"])
def test_a_file_uri_is_absolute_and_of_this_machine(uri):
    with pytest.raises(StorageError, match="an absolute path follows file://"):
        files.filesystem(uri)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b%20c%C3%A9%25.mp4", "/a/b cé%.mp4"),
        ("file://localhost/a%2Fb", "/a/b"),
        ("file:/a/../b%3F", "/b?"),
        ("file:///a/%2e%2e/b", "/b"),
        ("file:///caf%E9.mp4", "/caf\udce9.mp4"),  # a name that is not UTF-8
        ("file:///caf\udce9%20.mp4", "/caf\udce9 .mp4"),
        ("file:///a?b#c%zz%2", "/a?b#c%zz%2"),
        ("/a/b%20c.mp4", "/a/b%20c.mp4"),
    ],
)
def test_the_path_of_a_file_uri(uri, path):
    assert files.local_path(uri) == path
    assert files.filesystem(uri)[1] == path


def test_files_are_read_written_and_listed_by_their_uris(tmp_path):
    root = f"file://localhost{tmp_path}/new%20folder"
    files.write_bytes(files.join(root, "50%25 off.txt"), b"content")
    assert (tmp_path / "new folder" / "50% off.txt").read_bytes() == b"content"
    assert files.read_bytes(f"{root}/50%25%20off.txt") == b"content"
    assert files.exists(f"file:{tmp_path}/new%20folder")
    with files.on_disk(f"{root}/50%25%20off.txt") as path:
        assert path == str(tmp_path / "new folder" / "50% off.txt")


def test_a_path_that_was_only_prefixed_with_file_is_found(tmp_path):
    (tmp_path / "a%20b").write_bytes(b"as written")
    assert files.read_bytes(f"file://{tmp_path}/a%20b") == b"as written"
    (tmp_path / "a b").write_bytes(b"decoded")
    assert files.read_bytes(f"file://{tmp_path}/a%20b") == b"decoded"


def test_a_refusal_keeps_no_secret():
    with pytest.raises(StorageError) as caught:
        files.scheme_of("ftp://user:secret@host/a.mp4")
    assert "secret" not in str(caught.value)


def test_paths_are_joined_for_folders_and_uris():
    assert files.join("a/", "b", "c") == "a/b/c"
    assert files.join("/", "b") == "/b"
    assert files.join("gs://bucket/", "b") == "gs://bucket/b"
    assert files.local_path(files.join("file:///", "b")) == "/b"


def test_a_file_of_any_size_is_read_to_its_limit(web, tmp_path):
    content = bytes(range(256)) * 40_000
    (tmp_path / "v.mp4").write_bytes(content)
    for uri in (str(tmp_path / "v.mp4"), f"{web}/v.mp4"):
        assert files.read_at_most(uri, len(content)) == content
        with pytest.raises(StorageError, match=r"v\.mp4"):
            files.read_at_most(uri, len(content) - 1)
    with pytest.raises(StorageError, match="more than 1,000 bytes, which is the limit"):
        files.read_at_most("/dev/zero", 1000)


def test_a_store_failure_names_the_uri_without_secrets(web, monkeypatch):
    monkeypatch.setattr(files, "RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    with pytest.raises(StorageError, match="503") as caught:
        files.read_bytes(f"{web}/status/503/v.mp4?signature=SECRET")
    assert "SECRET" not in str(caught.value)

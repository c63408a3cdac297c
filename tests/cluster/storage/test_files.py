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


def test_a_refusal_keeps_no_secret():
    with pytest.raises(StorageError) as caught:
        files.scheme_of("ftp://user:secret@host/a.mp4")
    assert "secret" not in str(caught.value)


def test_paths_are_joined_for_folders_and_uris():
    assert files.join("a/", "b", "c") == "a/b/c"
    assert files.join("/", "b") == "/b"
    assert files.join("gs://bucket/", "b") == "gs://bucket/b"


def test_a_store_failure_names_the_uri_without_secrets(web, monkeypatch):
    monkeypatch.setattr(files, "RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    with pytest.raises(StorageError, match="503") as caught:
        files.read_bytes(f"{web}/status/503/v.mp4?signature=SECRET")
    assert "SECRET" not in str(caught.value)

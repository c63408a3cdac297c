import pytest

from cluster.storage import files
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.video_source import open_video
from schemas.outcomes import FailureCode, VideoError
from tests.support.hostile_server import hostile_server
from tests.support.servers import http_files


@pytest.fixture(scope="module")
def server():
    with hostile_server() as server:
        yield server


@pytest.mark.parametrize(
    ("kind", "policy", "reason"),
    [
        ("endless", ReadPolicy(copy_bytes=3 << 20), "it is larger than 3 MiB (--copy-limit-mib, --copy-time-limit)"),
        (
            "trickle",
            ReadPolicy(copy_seconds=1.0),
            "copying it takes more than 1 s (--copy-limit-mib, --copy-time-limit)",
        ),
    ],
)
def test_a_copy_has_limits(server, kind, policy, reason):
    server.requests.clear()
    with pytest.raises(VideoError) as caught, open_video(f"{server.url}/{kind}/v.mp4", policy=policy):
        pytest.fail("it was opened")
    assert caught.value.code is FailureCode.COPY_LIMIT
    assert caught.value.message == f"{reason}, as its server sends no parts of it"
    assert len(server.requests) <= 3  # it is not tried again


@pytest.mark.parametrize(
    ("kind", "policy", "reason"),
    [
        ("endless", ReadPolicy(copy_bytes=3 << 20), "larger than 3 MiB"),
        ("trickle", ReadPolicy(copy_seconds=1.0), "more than 1 s"),
        ("silent", ReadPolicy(copy_seconds=1.0), "more than 1 s"),
    ],
)
def test_a_small_file_has_limits_too(server, kind, policy, reason):
    with pytest.raises(files.StorageError, match=reason):
        files.read_bytes(f"{server.url}/{kind}/list.csv", policy)


def test_a_whole_file_is_copied(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "v.mp4").write_bytes(content)
    with http_files(tmp_path) as url:
        assert files.read_bytes(f"{url}/v.mp4", ReadPolicy(copy_bytes=len(content))) == content
        with pytest.raises(files.StorageError, match="larger"):
            files.read_bytes(f"{url}/v.mp4", ReadPolicy(copy_bytes=len(content) - 1))
        with open_video(f"{url}/whole/v.mp4") as file:
            assert file.read() == content
        with pytest.raises(FileNotFoundError):
            files.read_bytes(f"{url}/nothing.csv")

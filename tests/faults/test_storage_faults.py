"""Failing stores, over real sockets: the driver's work is still done, exactly once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.storage import files
from cluster.storage.files import StorageError
from cluster.storage.listing import list_files
from cluster.storage.retry import RetryPolicy
from cluster.storage.versions import versions_of
from cluster.storage.video_source import open_video
from schemas.outcomes import FailureCode, VideoError
from tests.support.faulty_proxy import Fault, FaultyProxy, every, faulty_proxy, proxies_before_stores
from tests.support.servers import gs_bucket, http_files, s3_bucket

CONTENT = bytes(range(256)) * 80_000  # several requests long


# gcsfs itself retries for half a minute before it raises.
STORES = [pytest.param(gs_bucket, id="gs", marks=pytest.mark.heavy), pytest.param(s3_bucket, id="s3")]
FAULTS = [Fault.UNAVAILABLE, *(pytest.param(fault, marks=pytest.mark.heavy) for fault in (Fault.REFUSE, Fault.DROP))]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[tuple[str, FaultyProxy]]:
    """A bucket, and the proxy before it."""
    proxies, through = proxies_before_stores()

    with request.param(through) as bucket:
        yield bucket, proxies[0]


def use(bucket: str) -> None:
    """Everything that a run does with a store."""
    names = [f"{bucket}/a/{number}.bin" for number in range(4)]
    assert not files.exists(f"{bucket}/a")
    for name in names:
        files.write_bytes(name, name.encode())
    assert files.exists(f"{bucket}/a")
    assert [file.uri for file in list_files(f"{bucket}/a")] == names
    assert [files.read_bytes(name).decode() for name in names] == names
    assert len(versions_of(names)) == 4
    files.delete(names[0])
    files.delete_folder(f"{bucket}/a")
    assert not list(list_files(f"{bucket}/a"))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_third_request_fails(store: tuple[str, FaultyProxy], fault: Fault) -> None:
    bucket, proxy = store
    proxy.plan = every(3, fault)
    use(bucket)
    assert proxy.faults > 5


@pytest.mark.parametrize("seconds", [3.0, pytest.param(60.0, marks=pytest.mark.heavy)])
def test_an_outage_costs_nothing_but_time(store: tuple[str, FaultyProxy], seconds: float) -> None:
    bucket, proxy = store
    proxy.start_outage(seconds)
    use(bucket)
    assert proxy.faults


@pytest.mark.heavy
def test_a_store_failure_is_never_taken_for_a_missing_object(
    store: tuple[str, FaultyProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, proxy = store
    files.write_bytes(f"{bucket}/a", b"x")
    monkeypatch.setattr(files, "RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    proxy.plan = every(1, Fault.UNAVAILABLE)
    with pytest.raises(StorageError):
        files.exists(f"{bucket}/a")
    with pytest.raises(StorageError):
        list(list_files(bucket))


def test_a_permanent_failure_is_raised_at_once(store: tuple[str, FaultyProxy]) -> None:
    bucket, _ = store
    with pytest.raises(FileNotFoundError, match="there is no such object"):
        files.read_bytes(f"{bucket}/none")
    with pytest.raises((FileNotFoundError, StorageError)):
        list(list_files(bucket.replace("bucket", "no-such-bucket")))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_video_is_read_whole_though_requests_fail(store: tuple[str, FaultyProxy], fault: Fault) -> None:
    bucket, proxy = store
    files.write_bytes(f"{bucket}/v.mp4", CONTENT)
    proxy.reset_counts()
    proxy.plan = every(3, fault)
    with open_video(f"{bucket}/v.mp4") as file:
        assert file.read() == CONTENT
    assert proxy.faults >= 2


@pytest.fixture
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyProxy]:
    """A proxy before an http server that has `v.mp4`."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "v.mp4").write_bytes(CONTENT)
    with http_files(folder) as address, faulty_proxy(address) as proxy:
        yield proxy


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.REFUSE, Fault.DROP])
def test_http_too(web: FaultyProxy, fault: Fault) -> None:
    web.plan = every(3, fault)
    with open_video(f"{web.url}/v.mp4") as file:
        assert file.read() == CONTENT
    assert web.faults >= 2


def test_a_stalled_request_is_made_again(web: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STALL_SECONDS", 1.0)
    web.plan = lambda number, method, path: Fault.STALL if number == 4 else None
    with open_video(f"{web.url}/v.mp4") as file:
        assert file.read() == CONTENT
    assert web.faults == 1


def test_a_store_that_stalls_for_good_is_given_up(web: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STALL_SECONDS", 1.0)
    web.plan = lambda number, method, path: Fault.STALL if number >= 4 else None
    with pytest.raises(VideoError) as caught, open_video(f"{web.url}/v.mp4", RetryPolicy(total_seconds=2.0)) as file:
        file.read()
    assert caught.value.code is FailureCode.STORAGE


def test_nor_is_that_of_a_web_server(web: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    web.plan = every(1, Fault.UNAVAILABLE)
    with pytest.raises(StorageError):
        files.exists(f"{web.url}/v.mp4")

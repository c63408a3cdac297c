"""Addresses, with real servers on this machine: which are asked, where redirects lead, and how much is copied."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from cluster.serving.bodies import ReceptionLimits
from cluster.serving.errors import ApiError
from cluster.serving.fetching import Fetcher, check_uri, copy, name_of
from cluster.serving.uploads import Upload
from cluster.storage.http_client import reach_of
from tests.support.full_disk import limited_files
from tests.support.hostile_server import hostile_server
from tests.support.servers import http_files

LIMITS = ReceptionLimits(1 << 20, 2.0, 2.0)
VIDEO = b"\0\0\0\x18ftypisom" + bytes(1000)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "a b.mp4").write_bytes(VIDEO)
    (folder / "page.mp4").write_bytes(b"<html>")
    with http_files(folder) as url:
        yield url


@pytest.fixture(scope="module")
def server():
    with hostile_server() as server:
        yield server


def fetched(uri: str, path: Path, *, allow_private: bool) -> Upload:
    with closing(Fetcher(LIMITS, allow_private=allow_private)) as fetcher:
        return asyncio.run(fetcher.fetch(uri, path))


def code_of(uri: str, path: Path, *, allow_private: bool) -> str:
    with pytest.raises(ApiError) as caught:
        fetched(uri, path, allow_private=allow_private)
    assert "127.0.0.1" not in caught.value.message
    return caught.value.code


def test_a_video_is_copied(web, tmp_path):
    upload = fetched(f"{web}/a%20b.mp4", tmp_path / "file", allow_private=True)
    assert upload == Upload("a b.mp4", len(VIDEO), "video/mp4", ())
    assert (tmp_path / "file").read_bytes() == VIDEO


def test_this_machine_is_not_asked_whatever_it_is_called(web, server, tmp_path, monkeypatch):
    port = web.rpartition(":")[2]
    server.requests.clear()
    names = ["127.0.0.1", "localhost", "[::1]", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", socket.gethostname()]
    for number, name in enumerate(names):
        uri = f"http://{name}:{port}/a%20b.mp4"
        with pytest.raises(ApiError) as caught:
            asyncio.run(check_uri(uri, allow_private=False))
        assert caught.value.code == "uri_refused", name
        # A name may lead elsewhere by the time that it is used: then nothing is connected to, either.
        assert code_of(uri, tmp_path / str(number), allow_private=False) != "not_media"
        assert not (tmp_path / str(number)).exists() or not (tmp_path / str(number)).stat().st_size
    assert server.requests == []


def test_a_name_with_one_private_address_is_refused(tmp_path, server, monkeypatch):
    real = socket.getaddrinfo

    def rebound(host, *arguments, **options):
        return real("8.8.8.8", *arguments, **options) + real("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    assert code_of(f"http://video.example:{server.server_port}/x", tmp_path / "1", allow_private=False) == "uri_refused"
    with pytest.raises(ApiError):
        asyncio.run(check_uri("http://video.example/x", allow_private=False))


def own_address() -> str:
    """An address of this machine that others in its network can use; empty where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return "" if reach_of(address) < 2 else address


def test_a_server_may_not_redirect_to_a_narrower_network(web, tmp_path):
    address = own_address()
    if not address:
        pytest.skip("this machine has no address in a network")
    with hostile_server(address) as other:
        target = quote(f"{web}/a%20b.mp4", safe="")
        assert code_of(f"{other.url}/to/{target}", tmp_path / "1", allow_private=True) == "uri_refused"
        assert len(other.requests) >= 1


def test_limits_hold_whatever_a_server_sends(server, web, tmp_path):
    assert code_of(f"{server.url}/endless/v.mp4", tmp_path / "1", allow_private=True) == "copy_limit"
    assert code_of(f"{server.url}/trickle/v.mp4", tmp_path / "2", allow_private=True) == "copy_limit"
    assert code_of(f"{server.url}/silent/v.mp4", tmp_path / "3", allow_private=True) == "copy_limit"
    assert code_of(f"{web}/page.mp4", tmp_path / "4", allow_private=True) == "not_media"
    assert code_of(f"{web}/none.mp4", tmp_path / "5", allow_private=True) == "missing"


def test_a_full_disk_of_this_machine_is_not_blamed_on_the_server(web, tmp_path, caplog):
    with limited_files(100):
        assert code_of(f"{web}/a%20b.mp4", tmp_path / "1", allow_private=True) == "full"
    assert "File too large" in caplog.text
    with open("/dev/full", "wb", buffering=0) as target, pytest.raises(OSError, match="No space"):
        asyncio.run(copy(f"{web}/a%20b.mp4", target, LIMITS, allow_private=True))


def test_the_log_tells_why_a_server_does_not_send(server, tmp_path, caplog):
    uri = f"{server.url}/broken/v.mp4?token=secret-word"
    assert code_of(uri, tmp_path / "1", allow_private=True) == "storage"
    assert f"{server.url}/broken/v.mp4?***: the store does not respond properly: ClientPayloadError" in caplog.text
    assert "secret-word" not in caplog.text


def test_a_server_that_is_silent_is_given_up_and_one_that_is_slow_is_not(server, tmp_path):
    limits = ReceptionLimits(1 << 20, 30.0, 0.3)
    with closing(Fetcher(limits, allow_private=True)) as fetcher:
        started = time.monotonic()
        with pytest.raises(ApiError) as caught:
            asyncio.run(fetcher.fetch(f"{server.url}/silent/v.mp4", tmp_path / "1"))
        assert caught.value.code == "copy_limit"
        assert time.monotonic() - started < 5

        async def watch() -> int:
            slow = asyncio.create_task(fetcher.fetch(f"{server.url}/trickle/v.mp4", tmp_path / "2"))
            await asyncio.sleep(1.0)
            assert not slow.done()
            slow.cancel()
            await asyncio.wait([slow])
            assert slow.cancelled()
            return (tmp_path / "2").stat().st_size

        size = asyncio.run(watch())  # it is stopped at once, and for good
        time.sleep(0.5)
        assert (tmp_path / "2").stat().st_size - size <= 1


def test_slow_servers_and_names_take_none_of_the_threads_of_others(server, tmp_path, monkeypatch):
    waits = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: waits.wait(20) and [])

    async def scene(fetcher: Fetcher) -> float:
        fetches = [
            asyncio.create_task(fetcher.fetch(f"http://slow-{number}.example/v.mp4", tmp_path / f"f{number}"))
            for number in range(40)
        ]
        checks = [asyncio.create_task(fetcher.check(f"http://slow-{number}.example/v.mp4")) for number in range(40)]
        await asyncio.sleep(0.5)
        started = time.monotonic()
        await asyncio.to_thread(int)
        waits.set()
        await asyncio.gather(*fetches, *checks, return_exceptions=True)
        return time.monotonic() - started

    with closing(Fetcher(LIMITS, allow_private=False)) as fetcher:
        assert asyncio.run(scene(fetcher)) < 5


def test_what_ends_stops_all_copies(server, tmp_path):
    fetcher = Fetcher(ReceptionLimits(1 << 30, 30.0, 30.0), allow_private=True)

    async def scene() -> list[BaseException | Upload]:
        fetches = [fetcher.fetch(f"{server.url}/trickle/{number}", tmp_path / str(number)) for number in range(3)]
        going = asyncio.gather(*fetches, return_exceptions=True)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(fetcher.close)
        return await going

    assert [type(end) for end in asyncio.run(scene())] == [asyncio.CancelledError] * 3


@pytest.mark.parametrize(
    "uri",
    ["", "v.mp4", "file:///etc/passwd", "ftp://example.org/v", "gs://b/v.mp4", "http://", "http://[::1", "x" * 9000],
)
def test_only_http_is_an_address(uri):
    with pytest.raises(ApiError) as caught:
        asyncio.run(check_uri(uri, allow_private=True))
    assert caught.value.code == "uri_refused"


def test_names_are_the_last_part():
    assert name_of("https://host/a/b%20c.mp4?token=SECRET#x") == "b c.mp4"
    assert name_of("https://host") == "video"

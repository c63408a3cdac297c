import asyncio
import shutil
import socket
import subprocess
import sys
from urllib.parse import quote

import pytest

from cluster.storage.http_client import PrivateAddressError, Reach, client_of, reach_of
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.video_source import open_video
from schemas.outcomes import FailureCode, VideoError
from tests.support.hostile_server import hostile_server
from tests.support.servers import http_files

ANYWHERE = ReadPolicy(allow_private_redirects=True)


@pytest.mark.parametrize(
    ("reach", "addresses"),
    [
        (Reach.PUBLIC, "8.8.8.8 2001:4860:4860::8888 ::ffff:8.8.8.8 2002:808:808::1 64:ff9b::808:808"),
        (Reach.PRIVATE, "10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 224.0.0.1 255.255.255.255 fd00::1 fec0::1 ff02::1"),
        (Reach.PRIVATE, "::ffff:10.0.0.1 ::10.0.0.1 2002:a00:1::1 64:ff9b::a00:1"),
        (Reach.LINK, "169.254.169.254 fe80::1 fe80::1%eth0 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe"),
        (Reach.MACHINE, "127.0.0.1 127.9.9.9 0.0.0.0 ::1 :: ::ffff:127.0.0.1 ::ffff:0.0.0.0 64:ff9b::7f00:1"),
    ],
)
def test_who_can_use_an_address(reach, addresses):
    assert {address: reach_of(address) for address in addresses.split()} == dict.fromkeys(addresses.split(), reach)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "2130706433", "127.1", "127.0.1", "017700000001"])
def test_where_addresses_must_be_public_no_spelling_of_another_is_taken(host, server):
    async def ask() -> None:
        async with await client_of(ReadPolicy(allow_private_addresses=False))() as client:
            await client.get(f"http://{host}:{server.url.rpartition(':')[2]}/overlong")

    server.requests.clear()
    with pytest.raises(PrivateAddressError):
        asyncio.run(ask())
    assert not server.requests


def refusal(uri: str) -> VideoError:
    with pytest.raises(VideoError) as caught, open_video(uri):
        pytest.fail("it was opened")
    return caught.value


@pytest.fixture(scope="module")
def server():
    with hostile_server() as server:
        yield server


@pytest.fixture
def web(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"video")
    with http_files(tmp_path) as url:
        yield url


def test_a_redirect_is_followed(server, web):
    with open_video(f"{server.url}/to/{quote(f'{web}/v.mp4', safe='')}") as file:
        assert file.read(9) == b"video"


def test_a_loop_ends_at_once_and_for_good(server):
    server.requests.clear()
    error = refusal(f"{server.url}/loop/v.mp4?sig=SECRET")
    assert error.code is FailureCode.MISSING
    assert error.message == "its address cannot be used: its server redirects in a loop"
    assert len(server.requests) < 30  # ten redirects of one attempt, with and without content


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/v.mp4", "file:///etc/passwd", "gopher://127.0.0.1/", "//["])
def test_redirects_lead_to_http_alone(server, target):
    assert refusal(f"{server.url}/to/{quote(target, safe='')}").code is FailureCode.MISSING


def own_address() -> str:
    """An address of this machine that others in its network can use; empty where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return "" if reach_of(address) < Reach.PRIVATE else address


def test_no_redirect_leads_into_the_machine_itself(web):
    address = own_address()
    if not address:
        pytest.skip("this machine has no network")
    with hostile_server(address) as outer:
        target = quote(f"{web}/v.mp4", safe="")
        for uri in (f"{outer.url}/to/{target}", f"{outer.url}/to/{quote(f'{outer.url}/to/{target}', safe='')}"):
            error = refusal(uri)
            assert error.code is FailureCode.MISSING
            assert "127.0.0.1 (--allow-private-redirects)" in error.message
            with open_video(uri, policy=ANYWHERE) as file:
                assert file.read() == b"video"
        with open_video(f"{web}/v.mp4") as file:  # given by itself; its connection may be taken again
            assert file.read() == b"video"
        assert "--allow-private-redirects" in refusal(f"{outer.url}/to/{target}").message


# In a network of its own, a machine may have any address.
PUBLIC = """
import subprocess, sys
from pathlib import Path
from urllib.parse import quote
for arguments in (["addr", "add", "93.184.215.14/32", "dev", "lo"], ["addr", "add", "10.1.2.3/32", "dev", "lo"],
                  ["link", "set", "lo", "up"]):
    subprocess.run(["ip", *arguments], check=True)
from cluster.storage.http_client import Reach, reach_of
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.video_source import open_video
from schemas.outcomes import VideoError
from tests.support.hostile_server import hostile_server
with hostile_server("93.184.215.14") as public, hostile_server("10.1.2.3") as private:
    uri = f"{public.url}/to/" + quote(f"{private.url}/overlong", safe="")
    try:
        with open_video(uri):
            print("opened")
    except VideoError as error:
        print(error.code, error.message)
    print(private.requests)
    with open_video(uri, policy=ReadPolicy(allow_private_redirects=True)) as file:
        print(len(file.read(3)))
    with open_video(f"{private.url}/to/" + quote(f"{public.url}/overlong", safe="")) as file:
        print(len(file.read(3)))
"""


def test_no_redirect_leads_from_a_public_address_to_a_private_one():
    enter = ["unshare", "--map-root-user", "--net"]
    if (
        not shutil.which("unshare")
        or not shutil.which("ip")
        or subprocess.run([*enter, "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine gives no process a network of its own")
    done = subprocess.run([*enter, sys.executable, "-c", PUBLIC], capture_output=True, text=True)
    refused, asked, *read = done.stdout.splitlines() or [done.stderr]
    assert refused.startswith("missing its address cannot be used: NarrowRedirectError: it redirects from a public"), (
        done.stderr
    )
    assert asked == "[]"  # nothing was sent there
    assert read == ["3", "3"]


def test_what_is_sent_beyond_a_range_is_not_read(server):
    with open_video(f"{server.url}/overlong/v.mp4") as file:
        assert file.read(4) == bytes(4)

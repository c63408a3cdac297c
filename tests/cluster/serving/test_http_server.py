"""The server with a small application, over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.serving import http_server as module
from cluster.serving.http_server import http_server, listening_socket
from schemas.errors import InputError

READ_BYTES = 1 << 20


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads a little of the body, waits, and says how it is."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    size = 0
    while size < READ_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await asyncio.sleep(float(scope["path"][1:] or 0))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    before, module.HEAD_SECONDS = module.HEAD_SECONDS, 1.0
    listener = listening_socket("127.0.0.1", 0)
    server = http_server(application)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    module.HEAD_SECONDS = before


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        ((), "203.0.113.9", "127.0.0.1 http"),
        (("10.0.0.0/8",), "203.0.113.9", "127.0.0.1 http"),
        (("10.0.0.0/8", "127.0.0.1"), "203.0.113.9", "203.0.113.9 https"),
        (("127.0.0.0/8",), "198.51.100.1, 203.0.113.9", "203.0.113.9 https"),  # what a client claims stands first
        (("127.0.0.0/8", "10.0.0.0/8"), "203.0.113.9, 10.0.0.7", "203.0.113.9 https"),
    ],
)
def test_proxies_that_are_named_are_believed_and_no_others(proxies, forwarded, expected):
    async def who(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        body = f"{scope['client'][0]} {scope['scheme']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def asked() -> bytes:
        listener = listening_socket("127.0.0.1", 0)
        server = http_server(who, proxies)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        head = f"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Forwarded-For: {forwarded}\r\n"
        writer.write(f"{head}X-Forwarded-Proto: https\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        server.should_exit = True
        await serving
        return answer

    assert asyncio.run(asked()).endswith(f"\r\n\r\n{expected}".encode())


def test_a_head_that_trickles_in_is_cut_off(port):
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(20)
        started = time.monotonic()
        slow.sendall(b"GET /0 HTTP/1.1\r\n")
        closed = b"?"
        while time.monotonic() - started < 15:
            try:
                slow.sendall(b"X-A: b\r\n")
                slow.settimeout(0.2)
                closed = slow.recv(1)
                break
            except TimeoutError:
                continue
            except OSError:
                closed = b""
                break
        assert closed == b""
        assert 0.5 < time.monotonic() - started < 10


def test_a_silent_connection_is_cut_off_and_a_slow_answer_is_not(port):
    with (
        socket.create_connection(("127.0.0.1", port)) as silent,
        socket.create_connection(("127.0.0.1", port)) as patient,
    ):
        patient.sendall(b"GET /2.5 HTTP/1.1\r\nHost: h\r\n\r\n")
        for one in (silent, patient):
            one.settimeout(20)
        assert silent.recv(1) == b""
        assert patient.recv(100).startswith(b"HTTP/1.1 200")


def test_a_client_sends_no_faster_than_the_application_reads(port):
    """An application that reads a MiB of a body: what is sent beyond that stays with the client."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as fast:
        fast.settimeout(1.0)
        fast.sendall(b"POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000000\r\n\r\n")
        block = bytes(1 << 20)
        with contextlib.suppress(TimeoutError):
            while sent < 500 << 20:
                sent += fast.send(block)
    assert sent < 64 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB


def test_a_port_that_is_taken_is_named(port):
    with pytest.raises(InputError, match=f"127.0.0.1:{port}.*--port"):
        listening_socket("127.0.0.1", port)

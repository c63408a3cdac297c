"""A proxy before a real server that counts what goes through it, and does wrong what networks and stores do wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_HEADERS = ("connection", "transfer-encoding", "content-length", "keep-alive", "date", "server")


class Fault(Enum):
    """What happens to a request. The last two send half of the content first."""

    UNAVAILABLE = 503
    REFUSE = "the connection is closed without an answer"
    LOSE = "the request is carried out, and the connection is closed without an answer"
    DROP = "the connection is closed in the middle of the content"
    STALL = "nothing more comes, until the proxy ends"


# The number of a request (from 1 on), its method and its path → what happens to it.
Plan = Callable[[int, str, str], Fault | None]


def every(count: int, fault: Fault) -> Plan:
    """Every `count`-th request."""
    return lambda number, method, path: fault if number % count == 0 else None


class FaultyProxy:
    """What is counted, and the plan that is followed, which may be changed.

    `latency_seconds` delays each answer; its content is sent over `sending_seconds`, in pieces.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.plan: Plan = lambda number, method, path: None
        self.latency_seconds = 0.0
        self.sending_seconds = 0.0
        self.requests: list[tuple[str, str]] = []
        self.sent_bytes = 0
        self.faults = 0
        self.has_ended = threading.Event()
        self.lock = threading.Lock()

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Count a request and say what happens to it."""
        with self.lock:
            self.requests.append((method, path))
            fault = self.plan(len(self.requests), method, path)
            self.faults += fault is not None
            return fault

    def start_outage(self, seconds: float) -> None:
        """From now on nothing is answered for so long; then all is well."""
        end = time.monotonic() + seconds
        self.plan = lambda number, method, path: Fault.REFUSE if time.monotonic() < end else None

    def reset_counts(self) -> None:
        """Count from nothing."""
        with self.lock:
            self.requests.clear()
            self.sent_bytes = self.faults = 0


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def answer(self) -> None:
        """Pass a request on and its answer back, or do what the plan says."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.next_fault(self.command, self.path)
        time.sleep(self.proxy.latency_seconds)
        if fault is Fault.UNAVAILABLE:
            return self.send_error(503)
        if fault is Fault.REFUSE:
            self.close_connection = True
            return None
        target = urlsplit(self.proxy.target)
        connection = HTTPConnection(str(target.hostname), target.port)
        try:
            connection.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
            response = connection.getresponse()
            content = response.read()
            if fault is Fault.LOSE:
                self.close_connection = True
            else:
                self.pass_back(response, content, fault)
        finally:
            connection.close()
        return None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815 - the base class wants them so

    def pass_back(self, response: HTTPResponse, content: bytes, fault: Fault | None) -> None:
        """Send an answer, or the half of it."""
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        sent = content if fault is None else content[: len(content) // 2]
        pieces = 10 if self.proxy.sending_seconds else 1
        try:
            for piece in range(pieces):
                time.sleep(self.proxy.sending_seconds / pieces)
                self.wfile.write(sent[piece * len(sent) // pieces : (piece + 1) * len(sent) // pieces])
        except OSError:
            self.close_connection = True  # whoever asked has gone
        with self.proxy.lock:
            self.proxy.sent_bytes += len(sent)
        if fault is Fault.STALL:
            self.proxy.has_ended.wait()
        if fault is not None:
            self.close_connection = True


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    """A proxy before the server at the root URL `target`."""
    proxy = FaultyProxy(target)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.has_ended.set()
            server.shutdown()


def proxies_before_stores() -> tuple[list[FaultyProxy], Callable[[str], AbstractContextManager[str]]]:
    """Proxies as they are opened, and what opens one before the store at an address (`tests.support.servers`)."""
    opened: list[FaultyProxy] = []

    @contextmanager
    def through(address: str) -> Iterator[str]:
        with faulty_proxy(address) as proxy:
            opened.append(proxy)
            yield proxy.url

    return opened, through

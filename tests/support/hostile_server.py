"""A server that does what servers may: it redirects anywhere, never ends, trickles, or does not answer at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

BLOCK = bytes(1 << 16)


class HostileServer(ThreadingHTTPServer):
    """`requests` are the paths that were asked for."""

    daemon_threads = True

    def __init__(self, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.requests: list[str] = []
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        """Its root, without a slash at its end."""
        return f"http://{self.server_address[0]}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    """By the first part of the path.

    to/URL      a redirect to the URL, which is quoted
    loop        a redirect to the same place
    endless     content without end, and no ranges
    trickle     a byte every tenth of a second, and no ranges
    silent      no answer
    broken      less content than it says
    overlong    more than the range that is asked for
    """

    server: HostileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        """Answer without content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer."""
        self.server.requests.append(self.path)
        kind, _, rest = self.path.lstrip("/").partition("/")
        with suppress(OSError):
            kinds = {"to": self.redirect, "loop": self.redirect, "silent": self.keep_silent, "broken": self.break_off}
            kinds.get(kind, self.send)(kind, rest)

    def redirect(self, kind: str, rest: str) -> None:
        """To where the path says."""
        self.send_response(302)
        self.send_header("Location", self.path if kind == "loop" else unquote(rest))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def keep_silent(self, kind: str, rest: str) -> None:
        """Until the server ends."""
        self.server.is_over.wait()

    def break_off(self, kind: str, rest: str) -> None:
        """After the first byte of many."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")

    def send(self, kind: str, rest: str) -> None:
        """Content, for as long as anybody reads it."""
        has_ranges = kind == "overlong"
        self.close_connection = True
        wanted = self.headers.get("Range", "").removeprefix("bytes=") if has_ranges else ""
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {wanted}/{1 << 40}")
        self.send_header("Accept-Ranges", "bytes" if has_ranges else "none")
        self.send_header("Connection", "close")
        if has_ranges:
            self.send_header("Content-Length", str(1 << 40))
        self.end_headers()
        while self.command == "GET" and not self.server.is_over.wait(0.1 if kind == "trickle" else 0):
            self.wfile.write(b"x" if kind == "trickle" else BLOCK)


@contextmanager
def hostile_server(host: str = "127.0.0.1") -> Iterator[HostileServer]:
    """The server at an address of this machine."""
    with HostileServer(host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()

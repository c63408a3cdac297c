"""Real servers for tests, on this machine: files over http, and a store behind gs://."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
from gcp_storage_emulator.server import create_server

GCS_ENVIRONMENT = ("STORAGE_EMULATOR_HOST", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT")


class FileHandler(SimpleHTTPRequestHandler):
    """Serves files whole and in ranges. A path that begins with /status/N gets that status instead.

    A path that begins with /whole/ is served without ranges, as some servers do; one that begins with /broken/ gives a
    size and then nothing but errors.
    """

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        """Answer without content."""
        self.answer(has_content=False)

    def do_GET(self) -> None:
        """Answer with content."""
        self.answer(has_content=True)

    def answer(self, *, has_content: bool) -> None:
        """Send a status, a file or a part of it."""
        path = self.path.partition("?")[0]
        if status := re.match(r"/status/(\d+)/", path):
            return self.send_error(int(status.group(1)))
        can_serve_ranges = not path.startswith("/whole/")
        if path.startswith("/broken/") and has_content:
            return self.send_error(500)
        file = Path(self.translate_path(re.sub(r"^/(whole|broken)/", "/", path)))
        if not file.is_file():
            return self.send_error(404)
        content, code = file.read_bytes(), 200
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        size = len(content)
        start = end = 0
        if wanted and can_serve_ranges:
            start, end = int(wanted.group(1)), int(wanted.group(2) or size - 1)
            content, code = content[start : end + 1], 206
        self.send_response(code)
        self.send_header("Accept-Ranges", "bytes" if can_serve_ranges else "none")
        if code == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if has_content:
            self.wfile.write(content)
        return None


@contextmanager
def http_files(folder: Path) -> Iterator[str]:
    """Serve `folder`; yields the root URL, without a slash at its end."""

    class Handler(FileHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def gs_bucket() -> Iterator[str]:
    """An empty bucket of a store in memory; yields its URI. fsspec is pointed at it meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    before = {name: os.environ.get(name) for name in GCS_ENVIRONMENT}
    server = create_server("localhost", port, in_memory=True, default_bucket="bucket")
    server.start()
    os.environ.update(zip(GCS_ENVIRONMENT, (f"http://localhost:{port}", "false"), strict=True))
    fsspec.get_filesystem_class("gs").clear_instance_cache()
    try:
        yield "gs://bucket"
    finally:
        fsspec.get_filesystem_class("gs").clear_instance_cache()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        server.stop()

"""Memory for listing many objects, from a server with the gs:// interface that makes its objects up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.servers import GCS_ENVIRONMENT

ROOT = Path(__file__).parents[3]
MEASURED = """
import sys
from cluster.storage.listing import list_files
from cluster.datasets.manifest import read_videos

def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

next(list_files(sys.argv[1]))
before = peak_mib()
if sys.argv[2] == "list":
    count = sum(1 for _ in list_files(sys.argv[1]))
else:
    videos = read_videos(sys.argv[1])
    count = len(videos)
    assert [video.id for video in videos] == sorted({video.id for video in videos})
    assert all(video.version for video in videos)
print(count, peak_mib() - before)
"""


class Handler(BaseHTTPRequestHandler):
    """Lists `count` objects, described as by the real store, in pages of a thousand."""

    count = 0
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer a page."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        start = int(query.get("pageToken", "0"))
        end = min(start + int(query.get("maxResults", "1000")), self.count)
        items = [
            {
                "kind": "storage#object",
                "id": f"bucket/videos/{number // 1000:05d}/clip-{number:09d}.mp4/1700000000000000",
                "selfLink": f"https://www.googleapis.com/storage/v1/b/bucket/o/videos%2F{number:09d}.mp4",
                "name": f"videos/{number // 1000:05d}/clip-{number:09d}.mp4",
                "bucket": "bucket",
                "generation": "1700000000000000",
                "contentType": "video/mp4",
                "storageClass": "STANDARD",
                "size": "1000000",
                "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg==",
                "crc32c": "AAAAAA==",
                "etag": f"CK{number:012d}",
                "updated": "2026-01-01T00:00:00.000Z",
            }
            for number in range(start, end)
        ]
        page = {"items": items} | ({"nextPageToken": str(end)} if end < self.count else {})
        content = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def made_up_store() -> Iterator[tuple[str, type[Handler]]]:
    """The server's address, and its handler to set the count of."""
    handler = type("Counted", (Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", handler
        finally:
            server.shutdown()


def measured(address: str, what: str) -> tuple[int, float]:
    """How many were listed in a process of its own, and by how many MiB its memory grew."""
    environment = {name: value.format(address=address) for name, value in GCS_ENVIRONMENT.items()}
    command = [sys.executable, "-c", MEASURED, "gs://bucket/videos", what]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=ROOT, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    count, growth_mib = done.stdout.split()
    return int(count), float(growth_mib)


@pytest.mark.heavy
def test_a_hundred_thousand_objects_take_little_memory(made_up_store: tuple[str, type[Handler]]) -> None:
    address, handler = made_up_store
    handler.count = 100_000
    count, growth_mib = measured(address, "list")
    print(f"listing 100,000 objects: {growth_mib:.1f} MiB")
    assert count == 100_000
    assert growth_mib < 20
    count, growth_mib = measured(address, "read")
    print(f"reading them as a manifest: {growth_mib:.1f} MiB")
    assert count == 100_000
    assert growth_mib < 120


@pytest.mark.heavy
def test_five_times_the_objects_take_no_more(made_up_store: tuple[str, type[Handler]]) -> None:
    address, handler = made_up_store
    handler.count = 500_000
    count, growth_mib = measured(address, "list")
    print(f"listing 500,000 objects: {growth_mib:.1f} MiB")
    assert count == 500_000
    assert growth_mib < 20

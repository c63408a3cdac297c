"""The service as users start it, in a process of its own, and a client for it that knows HTTP alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.dataset import ROOT, job_environment

START_SECONDS = 400.0
WORK_SECONDS = 240.0
BOUNDARY = "a-boundary-that-no-video-has"


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case names, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        found: str = self.json["error"]["code"]
        return found


@dataclass(frozen=True)
class Client:
    """Sends requests to a service; `token` with each, if there is one."""

    url: str
    token: str = ""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """The answer to a request; names of headers have underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            named["authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url + path, body, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return _answer(response, response.status)
        except urllib.error.HTTPError as error:
            return _answer(error, error.code)

    def get(self, path: str, **headers: str) -> Answer:
        """The answer to a GET."""
        return self.ask("GET", path, **headers)

    def send_json(self, path: str, value: Any) -> Answer:
        """The answer to a POST of JSON."""
        return self.ask("POST", path, json.dumps(value).encode(), content_type="application/json")

    def upload(self, content: bytes, name: str = "video.mp4", models: str = "") -> Answer:
        """The answer to an upload."""
        return self.ask("POST", "/v1/videos", form(content, name, models), content_type=FORM_TYPE)

    def settled(self, video_id: str) -> dict[str, Any]:
        """A video, once it is done or failed."""
        deadline = time.monotonic() + WORK_SECONDS
        while time.monotonic() < deadline:
            state: dict[str, Any] = self.get(f"/v1/videos/{video_id}").json
            if state["status"] in ("done", "failed"):
                return state
            time.sleep(0.2)
        raise AssertionError(f"it is still {state}")


FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(content: bytes, name: str = "video.mp4", models: str = "") -> bytes:
    """A form with a file, and the models that are asked for."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        "Content-Type: video/mp4\r\n\r\n".encode(),
        content,
        b"\r\n",
    ]
    if models:
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="models"\r\n\r\n{models}\r\n'.encode())
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def _answer(response: Any, status: int) -> Answer:
    return Answer(status, {name.lower(): value for name, value in response.headers.items()}, response.read())


@dataclass
class Server:
    """A running service: its process, its log, and where it answers."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])


@contextmanager
def serving(folder: Path, *arguments: object) -> Iterator[Server]:
    """The job at a free port, its log and uploads in `folder`; ended at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    command = [sys.executable, ROOT / "jobs" / "serve.py", "--port", 0, "--uploads", folder / "uploads", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, env=job_environment(), start_new_session=True
        )
    try:
        yield Server(process, log, _url(process, log))
    finally:
        process.terminate()
        process.wait(120)


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"serving at (http://\S+?)/ ", log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"it does not serve:\n{log.read_text()[-4000:]}")

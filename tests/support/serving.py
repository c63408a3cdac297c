"""The service as users start it, in a process of its own, and a client for it that knows HTTP alone."""

from __future__ import annotations

import asyncio
import json
import queue
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn

from cluster.serving.api import gated
from cluster.serving.application import Handles, camera_of
from cluster.serving.config import ServeOptions
from cluster.serving.decoding import StageWorker
from cluster.serving.deployments import Live
from cluster.serving.http_server import http_server, listening_socket
from cluster.serving.models import ServedModels, read_models
from cluster.serving.service import Service, corrections_of
from cluster.serving.spool import Spool
from tests.support.dataset import ROOT, job_environment

START_SECONDS = 900.0  # on a crowded machine
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
def serving(folder: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The job at a free port, its log and uploads in `folder`; ended at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    command = [sys.executable, ROOT / "jobs" / "serve.py", "--port", 0, "--uploads", folder / "uploads", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=output,
            stderr=output,
            env={**job_environment(), **(environment or {})},
            start_new_session=True,
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


class LocalCall:
    """A call of a method that runs in a thread of this process, as a handle of Ray Serve gives one."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function, self._arguments = function, arguments
        self.is_cancelled = False

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.to_thread(self._function, *self._arguments).__await__()

    def cancel(self) -> None:
        """Note it."""
        self.is_cancelled = True


class LocalHandle:
    """Stands for a deployment whose methods are these functions; `calls` are those that were made."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        self.calls: list[LocalCall] = []
        for name, function in methods.items():
            setattr(self, name, SimpleNamespace(remote=partial(self._call, function)))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> LocalCall:
        self.calls.append(LocalCall(function, arguments))
        return self.calls[-1]


def local_handles(options: ServeOptions, served: ServedModels) -> Handles:
    """The deployments of models in this process, without Ray and without limits of memory."""
    worker = StageWorker(served.stages, 8 << 30, 100.0, 100.0)
    worker.setup()
    live = {
        name: LocalHandle(watch=Live(partial(camera_of, options, name), 3).look)
        for name, model in served.models.items()
        if model.is_live
    }
    return Handles(LocalHandle(carry_out=lambda step: worker(step).outcome), {}, live)


@contextmanager
def served_here(options: ServeOptions, folder: Path, token: str | None = None) -> Iterator[tuple[str, Service]]:
    """The HTTP server of a service in a thread of this process, without Ray; its URL and the service."""
    served = read_models(options)
    spool = Spool(str(folder))
    listener = listening_socket("127.0.0.1", 0)
    started: queue.Queue[tuple[uvicorn.Server, Service]] = queue.Queue()

    async def run() -> None:
        handles = local_handles(options, served)
        service = Service(options, served, handles, spool, corrections_of(options), at_once=1)
        server = http_server(gated(service, token), options.proxies)
        started.put((server, service))
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    server, service = started.get(timeout=100)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", service
    finally:
        server.should_exit = True
        thread.join()
        spool.close()

"""Real servers for tests, on this machine: files over http, and stores behind gs:// and s3://."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import fsspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gcp_storage_emulator.handlers import objects
from gcp_storage_emulator.server import HANDLERS, create_server
from moto.server import ThreadedMotoServer

GCS_ENVIRONMENT = {"STORAGE_EMULATOR_HOST": "{address}", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
S3_ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "{address}",
    "AWS_ACCESS_KEY_ID": "AKIDNOBODYSKEY",
    "AWS_SECRET_ACCESS_KEY": "nobodys/secret/key",
    "AWS_DEFAULT_REGION": "us-east-1",
}
LACKING_BYTES = 995
Through = Callable[[str], AbstractContextManager[str]]


class FileHandler(SimpleHTTPRequestHandler):
    """Serves files whole and in ranges. A path that begins with /status/N gets that status instead.

    A path that begins with /whole/ is served without ranges, as some servers do; one that begins with /broken/ gives a
    size and then nothing but errors; with /short/, `LACKING_BYTES` less come than are announced. With /streamed/, no
    answer tells the size; with /elsewhere/, every range is one from the start.
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
        is_streamed = path.startswith("/streamed/")
        file = Path(self.translate_path(re.sub(r"^/(whole|broken|short|streamed|elsewhere)/", "/", path)))
        if not file.is_file():
            return self.send_error(404)
        content, code = file.read_bytes(), 200
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        size = len(content)
        start = end = 0
        if wanted and can_serve_ranges:
            start, end = int(wanted.group(1)), int(wanted.group(2) or size - 1)
            if path.startswith("/elsewhere/"):
                start, end = 0, end - start
            if start >= size:
                return self.send_error(416)
            content, code = content[start : end + 1], 206
        self.send_response(code)
        self.send_header("Accept-Ranges", "bytes" if can_serve_ranges else "none")
        if code == 206:
            total = "*" if is_streamed else size
            self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{total}")
        lacking = LACKING_BYTES if path.startswith("/short/") else 0
        if is_streamed and code == 200:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(content) + lacking))
        self.close_connection |= bool(lacking) or is_streamed
        self.send_header("Last-Modified", self.date_time_string(int(file.stat().st_mtime)))
        self.end_headers()
        if has_content:
            self.wfile.write(content)
        return None


@contextmanager
def http_files(folder: Path, certificate: Path | None = None) -> Iterator[str]:
    """Serve `folder`, over TLS where there is a certificate; yields the root URL, without a slash at its end."""

    class Handler(FileHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def write_certificate(path: Path) -> Path:
    """A self-signed certificate of this machine with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + private)
    return path


@contextmanager
def gs_bucket(through: Through = nullcontext, *, keeps_conditions: bool = True) -> Iterator[str]:
    """An empty bucket of a store in memory; yields its URI. fsspec is pointed at it meanwhile.

    through           may put something between the two: it gets the store's address and yields another
    keeps_conditions  whether the store refuses requests whose condition does not hold, as Google's does
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = create_server("localhost", port, in_memory=True, default_bucket="bucket")
    server.start()
    conditions = _gcs_conditions() if keeps_conditions else nullcontext()
    try:
        with conditions, through(f"http://localhost:{port}") as address, _pointed_at("gs", GCS_ENVIRONMENT, address):
            yield "gs://bucket"
    finally:
        server.stop()


@contextmanager
def _gcs_conditions() -> Iterator[None]:
    """Teach the emulator `ifGenerationMatch`, which it ignores, and to tell the generation of what it sends."""

    def generation(request: Any, storage: Any) -> str:
        name = request.params.get("object_id") or request.query.get("name", [""])[0] or request.data["meta"]["name"]
        try:
            return str(storage.get_file_obj(request.params["bucket_name"], name)["generation"])
        except objects.NotFound:
            return "0"

    def conditional(handle: Callable[..., None]) -> Callable[..., None]:
        def answer(request: Any, response: Any, storage: Any, *args: Any, **kwargs: Any) -> None:
            (wanted,) = request.query.get("ifGenerationMatch", [""])
            found = generation(request, storage) if wanted or handle is objects.download else ""
            if wanted and wanted != found:
                response.status = HTTPStatus.PRECONDITION_FAILED
                return
            if handle is objects.download and found != "0":
                response["X-Goog-Generation"] = found
            handle(request, response, storage, *args, **kwargs)

        return answer

    before = [(methods, dict(methods)) for _, methods in HANDLERS]
    for methods, handles in before:
        methods |= {
            method: conditional(handle)
            for method, handle in handles.items()
            if handle in (objects.insert, objects.delete, objects.download)
        }
    try:
        yield
    finally:
        for methods, handles in before:
            methods.update(handles)


@contextmanager
def s3_bucket(through: Through = nullcontext) -> Iterator[str]:
    """Likewise for s3://."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        address = f"http://{host}:{port}"
        with urlopen(Request(f"{address}/bucket", method="PUT", headers={"Host": "s3.amazonaws.com"})):
            pass
        with through(address) as seen, _pointed_at("s3", S3_ENVIRONMENT, seen):
            yield "s3://bucket"
        with urlopen(Request(f"{address}/moto-api/reset", method="POST")):
            pass  # all servers of a process share what they hold
    finally:
        server.stop()


@contextmanager
def _pointed_at(scheme: str, environment: Mapping[str, str], address: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update({name: value.format(address=address) for name, value in environment.items()})
    fsspec.get_filesystem_class(scheme).clear_instance_cache()
    try:
        yield
    finally:
        fsspec.get_filesystem_class(scheme).clear_instance_cache()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

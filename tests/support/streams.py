"""Live streams for tests, on this machine: encoded by PyAV, sent in real time over HTTP, RTSP or UDP.

In: `Clip`s, whose pictures tell their own numbers (`tests.support.videos`). A server has sessions, each some
frame numbers: the first connection gets the first of them, and so on; one that comes after the last is turned away.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from tests.support.videos import Clip, write_video

LIVE = Clip(
    frames=100, gop=25, b_frames=0, width=192, height=96, options={"tune": "zerolatency", "preset": "ultrafast"}
)
DATAGRAM = 1316  # seven packets of a transport stream
BOUNDARY = "frame"


def transport_chunks(clip: Clip = LIVE) -> list[bytes]:
    """The clip as an MPEG transport stream, in pieces of one frame."""
    with TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "live.ts", replace(clip, format="mpegts"))
        with av.open(str(path)) as container:
            starts = [packet.pos for packet in container.demux(video=0) if packet.size]
        data = path.read_bytes()
    cuts = [0, *starts[1:], len(data)]
    return [data[start:stop] for start, stop in pairwise(cuts)]


def play(chunks: Sequence[bytes], rate: float, send: Callable[[bytes], object], burst: int = 1) -> None:
    """Send the chunks at `rate` a second, `burst` at a time, until nobody listens any more."""
    started = time.monotonic()
    with contextlib.suppress(OSError):
        for number, chunk in enumerate(chunks):
            if number % burst == 0:
                time.sleep(max(0.0, started + number / rate - time.monotonic()))
            send(chunk)


@contextmanager
def http_stream(
    chunks: Sequence[bytes], sessions: Sequence[Sequence[int]], *, rate: float = 25, burst: int = 1
) -> Iterator[str]:
    """An address that serves each session in turn, without telling a length; afterwards it is gone."""
    left = list(sessions)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

        def do_GET(self) -> None:
            with lock:
                session = left.pop(0) if left else None
            if session is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            return play([chunks[number] for number in session], rate, self.wfile.write, burst)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://viewer:secret-word@127.0.0.1:{server.server_port}/live.ts"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def udp_stream(chunks: Sequence[bytes], *, rate: float = 25) -> Iterator[str]:
    """The address at which to listen for the datagrams that are sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(chunk: bytes) -> None:
        for start in range(0, len(chunk), DATAGRAM):
            with contextlib.suppress(ConnectionRefusedError):  # nobody listens yet
                sender.sendto(chunk[start : start + DATAGRAM], ("127.0.0.1", port))

    threading.Thread(target=play, args=(chunks, rate, send), daemon=True).start()
    with sender:
        yield f"udp://127.0.0.1:{port}"


def rtp_packets(clip: Clip = LIVE) -> list[list[bytes]]:
    """The RTP packets of each frame of the clip, H.264 as FFmpeg packs it."""
    frames: list[list[bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, TemporaryDirectory() as folder:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        port = receiver.getsockname()[1]
        path = write_video(Path(folder) / "live.ts", replace(clip, format="mpegts"))  # parameter sets before key frames
        with (
            av.open(str(path)) as source,
            av.open(f"rtp://127.0.0.1:{port}?pkt_size=1200", "w", format="rtp") as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if not packet.size:
                    continue
                packet.stream = stream
                target.mux(packet)
                time.sleep(0.001)
                frames.append(list(_waiting(receiver)))
    return frames


def _waiting(receiver: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(BlockingIOError):
        while True:
            yield receiver.recv(65536)


class RtspServer:
    """The smallest server of RTSP 1.0: one stream, RTP interleaved with the connection (RFC 2326, section 10.12)."""

    def __init__(self, frames: Sequence[Sequence[bytes]], sessions: Sequence[Sequence[int]], rate: float) -> None:
        self._frames, self._left, self._rate = frames, list(sessions), rate
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as requests:
            while request := _request(requests):
                method, headers = request
                if method == "DESCRIBE" and not self._left:
                    connection.sendall(_reply(headers, "404 Not Found"))
                    return
                connection.sendall(_reply(headers, **ANSWERS.get(method, {})))  # type: ignore[arg-type]
                if method == "PLAY":
                    frames = [self._frames[number] for number in self._left.pop(0)]
                    play([_interleaved(frame) for frame in frames], self._rate, connection.sendall)
                    return


ANSWERS: dict[str, dict[str, Any]] = {
    "OPTIONS": {"extra": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"},
    "DESCRIBE": {
        "extra": "Content-Type: application/sdp\r\n",
        "body": (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
        ),
    },
    "SETUP": {"extra": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"},
}


def _request(requests: Any) -> tuple[str, bytes] | None:
    lines = []
    while True:
        line = requests.readline()
        if not line:
            return None
        if line.startswith(b"$"):
            continue  # a receiver's report
        if line == b"\r\n":
            return lines[0].split()[0].decode(), b"".join(lines)
        lines.append(line)


def _reply(headers: bytes, status: str = "200 OK", extra: str = "", body: str = "") -> bytes:
    number = re.search(rb"CSeq: *(\d+)", headers)
    assert number
    head = (
        f"RTSP/1.0 {status}\r\nCSeq: {number[1].decode()}\r\nSession: 1\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def _interleaved(packets: Sequence[bytes]) -> bytes:
    out = BytesIO()
    for packet in packets:
        out.write(b"$\0" + len(packet).to_bytes(2) + packet)
    return out.getvalue()


@contextmanager
def rtsp_stream(
    frames: Sequence[Sequence[bytes]], sessions: Sequence[Sequence[int]], *, rate: float = 25
) -> Iterator[str]:
    """An address that plays each session in turn."""
    server = RtspServer(frames, sessions, rate)
    try:
        yield f"rtsp://viewer:secret-word@127.0.0.1:{server.port}/live"
    finally:
        server.close()

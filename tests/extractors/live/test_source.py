"""Sources: what their names stand for, and the errors of those that cannot be watched."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from extractors.live.source import SourceKind, is_whole, kind_of, open_source, refusal
from extractors.video.media import MAX_PIXELS
from schemas.outcomes import FailureCode, VideoError
from tests.support.sounds import Track, sound_packets
from tests.support.streams import http_stream, transport_chunks
from tests.support.videos import Clip, write_video

SECRET = "secret-word"


@contextmanager
def http_answers(content: bytes = b"", status: int = 200) -> Iterator[str]:
    """An address at which everything is answered alike."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://viewer:{SECRET}@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def refused(source: str, timeout_seconds: float = 5.0) -> VideoError:
    with (
        pytest.raises(VideoError) as raised,
        open_source(source, max_pixels=MAX_PIXELS, timeout_seconds=timeout_seconds),
    ):
        pass
    assert SECRET not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("videos/a.mp4", SourceKind.FILE),
        ("C:name", SourceKind.FILE),
        ("/dev/video0", SourceKind.CAMERA),
        ("/dev/v4l/by-id/usb-camera", SourceKind.CAMERA),
        ("/dev/null", SourceKind.CAMERA),
        ("rtsp://u:p@camera:554/1?x=y", SourceKind.NETWORK),
        ("RTSPS://camera", SourceKind.NETWORK),
        ("https://host/live.ts", SourceKind.NETWORK),
        ("udp://@239.0.0.1:1234", SourceKind.NETWORK),
        ("s3://bucket/v.mp4", None),
        ("ftp://host/v.mp4", None),
    ],
)
def test_names_of_sources(name: str, kind: SourceKind | None) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize("protocol", ["concat:a|b", "file,crypto:a.mp4", "pipe:0", "subfile,,start,0,end,9,,:a.mp4"])
def test_what_reads_like_a_protocol_of_ffmpeg_is_a_file(protocol: str) -> None:
    assert refused(protocol).code is FailureCode.MISSING


def test_a_file_over_http_is_whole_and_a_stream_is_not(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", Clip(frames=30, container_options={"movflags": "faststart"}))
    with open_source(str(path), max_pixels=MAX_PIXELS, timeout_seconds=1) as media:
        assert is_whole(media, str(path))
    with (
        http_answers(path.read_bytes()) as address,
        open_source(address, max_pixels=MAX_PIXELS, timeout_seconds=5) as media,
    ):
        assert is_whole(media, address)
        assert sum(1 for packet in media.container.demux(media.video) if packet.size) == 30
    with (
        http_stream(transport_chunks(), [range(30)]) as address,
        open_source(address, max_pixels=MAX_PIXELS, timeout_seconds=5) as media,
    ):
        assert not is_whole(media, address)


def test_files_and_cameras_that_are_not_there(tmp_path: Path) -> None:
    error = refused(str(tmp_path / "none.mp4"))
    assert (error.code, "give the path of a video, a camera such as /dev/video0" in str(error)) == ("missing", True)
    error = refused("/dev/video977")
    assert (error.code, "there is no such camera" in str(error)) == ("missing", True)
    assert ("there is none on this machine" in str(error)) == (not any(Path("/dev").glob("video*")))
    assert "the camera gives no pictures" in str(refused("/dev/null"))
    busy = av.error.OSError(16, "Device or resource busy")
    assert "another program uses the camera" in str(refusal(busy, "/dev/video0", 1))


def test_what_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 100)
    assert refused(str(text)).code is FailureCode.NOT_MEDIA
    assert refused(str(tmp_path)).code is FailureCode.NOT_MEDIA
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        container.mux(sound_packets(container, Track(((0.0, np.zeros((1, 48_000), np.float32)),))))
    error = refused(str(sound))
    assert (error.code, "manifest" in str(error)) == ("no_video_stream", False)
    with http_answers(sound.read_bytes()) as address:
        assert refused(address).code is FailureCode.NO_VIDEO_STREAM


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "session.sdp", "list.mpd"])
def test_what_is_received_names_no_other_source(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.ts", Clip(frames=10))
    playlists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile {path}\n",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n",
        "list.mpd": f'<?xml version="1.0"?><MPD><Period><BaseURL>file://{path}</BaseURL></Period></MPD>',
    }
    with http_answers(playlists[name].encode()) as address:
        assert refused(f"{address}/{name}").code is FailureCode.NOT_MEDIA
    local = tmp_path / name
    local.write_text(playlists[name])
    assert refused(str(local)).code is FailureCode.NOT_MEDIA


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, FailureCode.MISSING, "no stream of this name"),
        (401, FailureCode.NO_PERMISSION, "another user or password"),
        (403, FailureCode.NO_PERMISSION, "another user or password"),
        (500, FailureCode.STORAGE, "it cannot be read (Server returned 5XX"),
    ],
)
def test_answers_of_servers(status: int, code: FailureCode, words: str) -> None:
    with http_answers(status=status) as address:
        error = refused(f"{address}/live.ts")
    assert error.code is code
    assert words in str(error)


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_hosts_that_do_not_answer(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = refused(f"{scheme}://viewer:{SECRET}@127.0.0.1:{port}/live", 0.5)
        assert "it sent nothing for 0.5 s (--timeout)" in str(error)
    assert "it refuses the connection" in str(refused(f"{scheme}://viewer:{SECRET}@127.0.0.1:{port}/live"))
    address = f"{scheme}://viewer:{SECRET}@no-such-host.invalid:99/live"
    assert "there is no host of the name no-such-host.invalid" in str(refused(address))


def test_an_address_of_another_protocol_names_those_that_are_read() -> None:
    assert "none of rtsp, rtsps, rtp, udp, tcp, http, https" in str(refused("ftp://host/v.mp4"))


def test_frames_beyond_the_limit(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.ts", Clip(frames=5))
    with (
        http_answers(path.read_bytes()) as address,
        pytest.raises(VideoError, match="--max-pixels") as raised,
        open_source(address, max_pixels=1000, timeout_seconds=5),
    ):
        pass
    assert raised.value.code is FailureCode.ABSURD_DIMENSIONS


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in str(refused(str(tmp_path / "pipe")))

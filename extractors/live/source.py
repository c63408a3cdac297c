"""Opening of what is watched live: a file, a camera, or a stream from the network.

In: a path, a camera (`/dev/video0`, read with Video4Linux), or an address (`rtsp://…`). Out: `Media`, as
`extractors.video.media` opens files, without sound. Every error of libav becomes a `VideoError` that says what to do;
its message never repeats an address, which may hold a password.

Nothing that is received can name another source: playlists and session descriptions in disguise are not demuxed, and
what was opened from the network reaches protocols of the network alone, not files of this machine.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import av.error

from extractors.video.media import FORMATS, MAX_STREAMS, Media, open_media
from extractors.video.tracks import best_of, video_streams
from schemas.outcomes import FailureCode, Stage, VideoError

SCHEMES = ("rtsp", "rtsps", "rtp", "udp", "tcp", "http", "https")
FILES = ("http", "https")  # schemes under which whole files are found as well as streams
PROTOCOLS = "rtp,udp,tcp,tls,http,https,httpproxy"  # FFmpeg's names of what these schemes need
NETWORK_FORMATS = f"{FORMATS},rtsp,rtp,mpjpeg"
CAMERAS = ("/dev/video", "/dev/v4l/")
RECEPTION = {
    "rtsp_flags": "prefer_tcp",  # the transport that loses nothing, where the server has it
    "overrun_nonfatal": "1",  # a full buffer of UDP is a loss and not the end
    "fpsprobesize": "0",  # or the first second would be held back to guess the frame rate
}
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")

MISSING = "there is no such file: give the path of a video, a camera such as /dev/video0, or an address (rtsp://…)"
NO_VIDEO = "it has no video stream, only audio or still images: give another source"
REFUSALS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], FailureCode, str], ...] = (
    (
        ConnectionRefusedError,
        FailureCode.STORAGE,
        "it refuses the connection: nothing listens at this host and port; is the server or camera on?",
    ),
    (
        av.error.HTTPNotFoundError,
        FailureCode.MISSING,
        "the server has no stream of this name: correct what follows the host",
    ),
    (
        (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
        FailureCode.NO_PERMISSION,
        "it wants another user or password: write SCHEME://USER:PASSWORD@HOST/…, with / ? # and @ in a password as %2F "
        "%3F %23 and %40",
    ),
    (
        (av.error.InvalidDataError, av.error.ArgumentError),  # the latter for a format that is known, but not allowed
        FailureCode.NOT_MEDIA,
        "what it sends is no video that is read here; of a playlist (HLS, DASH), give the stream that it names",
    ),
)


class SourceKind(StrEnum):
    """What a source is."""

    FILE = "file"
    CAMERA = "camera"
    NETWORK = "network"


def kind_of(source: str) -> SourceKind | None:
    """What the name of a source stands for; None for an address that is not read."""
    scheme = _SCHEME.match(source)
    if scheme is not None:
        return SourceKind.NETWORK if scheme[1].lower() in SCHEMES else None
    return SourceKind.CAMERA if source.startswith(CAMERAS) or _is_device(source) else SourceKind.FILE


def is_whole(media: Media, source: str) -> bool:
    """Whether `media` is a file that is all there, to be shown at its own pace, and not a stream that comes in."""
    kind = kind_of(source)
    is_web = kind is SourceKind.NETWORK and urlsplit(source).scheme.lower() in FILES
    return kind is SourceKind.FILE or (is_web and bool(media.container.duration))


@contextmanager
def open_source(source: str, *, max_pixels: int, timeout_seconds: float) -> Iterator[Media]:
    """Open a source for demuxing and single-threaded decoding; closed on exit.

    timeout_seconds  without data, after which a stream from the network counts as broken

    Raises:
        VideoError: for a source that is not there, does not answer, or is no video.
    """
    kind = kind_of(source)
    if kind is None:
        raise VideoError(FailureCode.NOT_MEDIA, f"its protocol is none of {', '.join(SCHEMES)}", Stage.READ)
    if kind is SourceKind.FILE:
        with _advised(), open_media(source, max_pixels=max_pixels) as media:
            yield media
        return
    started = time.monotonic()
    try:
        container = av.open(
            source,
            "r",
            format="v4l2" if kind is SourceKind.CAMERA else None,
            container_options=_limits(kind),
            options={"max_pixels": str(max_pixels)},
            timeout=timeout_seconds,
            metadata_errors="replace",
        )
    except av.error.FFmpegError as error:
        is_late = time.monotonic() - started >= timeout_seconds  # libav has other names for it, too
        reason = av.error.TimeoutError(errno.ETIMEDOUT, "it took too long") if is_late else error
        raise refusal(reason, source, timeout_seconds) from error
    with container:
        yield _media(container, max_pixels)


def refusal(error: av.error.FFmpegError, source: str, timeout_seconds: float, *, was_open: bool = False) -> VideoError:
    """What an error of libav, on opening or on reading a camera or an address, means for whoever gave it."""
    code, message = FailureCode.STORAGE, f"{'it broke off' if was_open else 'it cannot be read'} ({error.strerror})"
    known = [(code, message) for kinds, code, message in REFUSALS if isinstance(error, kinds)]
    if kind_of(source) is SourceKind.CAMERA:
        code, message = _camera_refusal(error)
    elif known:
        code, message = known[0]
    elif isinstance(error, av.error.ExitError | TimeoutError):
        message = f"it sent nothing for {timeout_seconds:g} s (--timeout)"
    elif host := _unknown_host(source):
        message = f"there is no host of the name {host}"
    return VideoError(code, message, Stage.READ)


def _camera_refusal(error: av.error.FFmpegError) -> tuple[FailureCode, str]:
    if isinstance(error, PermissionError):
        return FailureCode.NO_PERMISSION, "permission to use the camera is denied: join the group `video`"
    if isinstance(error, FileNotFoundError):
        others = sorted(map(str, Path("/dev").glob("video*")))
        have = f"there are {', '.join(others)}" if others else "there is none on this machine"
        return FailureCode.MISSING, (
            f"there is no such camera, {have}; plug it in, and give a container its device (docker run --device …)"
        )
    if error.errno == errno.EBUSY:
        return FailureCode.STORAGE, "another program uses the camera: end that one first"
    return FailureCode.STORAGE, f"the camera gives no pictures ({error.strerror}); is it plugged in?"


def _limits(kind: SourceKind) -> dict[str, str]:
    limits = {"max_streams": str(MAX_STREAMS)}
    if kind is SourceKind.CAMERA:
        return limits
    return limits | RECEPTION | {"protocol_whitelist": PROTOCOLS, "format_whitelist": NETWORK_FORMATS}


def _media(container: Any, max_pixels: int) -> Media:
    video = best_of(video_streams(container))
    if video is None:
        raise VideoError(FailureCode.NO_VIDEO_STREAM, NO_VIDEO, Stage.READ)
    context: Any = video.codec_context  # PyAV declares that there always is one
    if context is None:
        raise VideoError(
            FailureCode.UNSUPPORTED_CODEC, "its video codec is unknown to this decoder: have it send H.264", Stage.READ
        )
    if context.width * context.height > max_pixels:
        raise VideoError(
            FailureCode.ABSURD_DIMENSIONS,
            f"its frames are {context.width} x {context.height}; the limit is {max_pixels} pixels (--max-pixels)",
        )
    context.options = {"max_pixels": str(max_pixels)}  # for frames to come, whose size may change
    context.thread_count = 1  # threads would hold frames back
    for stream in container.streams:
        if stream is not video:
            stream.discard = av.stream.Discard.all
    return Media(container, video, audio=None, crop=None, choice=None)


@contextmanager
def _advised() -> Iterator[None]:
    """Errors of files with advice for somebody who has no manifest."""
    advice = {FailureCode.MISSING: MISSING, FailureCode.NO_VIDEO_STREAM: NO_VIDEO}
    try:
        yield
    except VideoError as error:
        raise VideoError(error.code, advice.get(error.code, error.message), error.stage) from error


def _is_device(source: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(source).st_mode)
    except (OSError, ValueError):
        return False


def _unknown_host(source: str) -> str | None:
    """The host of an address if it has none of this name; libav reports that as any other error."""
    try:
        host = urlsplit(source).hostname
        socket.getaddrinfo(host, None)
    except socket.gaierror:
        return host
    except (OSError, ValueError):
        return None
    return None

"""Opening of untrusted media files.

In: a path or a seekable binary file object. Out: `Media`, an open container with its video stream and, if it has one,
its audio stream. Every error of libav becomes a `VideoError` with a code and an actionable message.

Only self-contained formats are opened: a playlist or script in disguise (HLS, concat, DASH) could make the demuxer
fetch other files or addresses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from schemas.outcomes import FailureCode, Stage, VideoError

CUT_SHORT = (
    "it starts like a video but its index cannot be read: the recording or the upload was cut short. "
    "Provide the whole file"
)
MISSING = (
    "there is no such file: correct its uri in the manifest (a relative one counts from the manifest's folder), or "
    "provide the file"
)
DENIED = "permission to read it is denied: grant read access to the account that runs the job"

Source = str | os.PathLike[str] | IO[bytes]

# FFmpeg's names of the demuxers that read one file and nothing else.
FORMATS = (
    "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,mpegtsraw,flv,ogg,asf,h264,hevc,m4v,ivf,av1,obu,mjpeg,mxf,nut,rm,wtv,"
    "dv,gif,apng,wav,mp3,flac,aac,aiff,caf,swf,vob,yuv4mpegpipe,live_flv,vc1,vc1test,3gp,amr,au,w64,ac3,eac3,dts"
)
MATROSKA_MAGIC = b"\x1a\x45\xdf\xa3"
MAX_PIXELS = 8192 * 8192
MAX_STREAMS = 256  # each takes up to a megabyte as soon as the file is opened
READ_BYTES = 1 << 20


@runtime_checkable
class ReadsAhead(Protocol):
    """A source that fetches ahead of the reads."""

    def expect_all(self) -> None:
        """Announce that the file will be read to its end."""


@dataclass(frozen=True)
class Media:
    """An open container. `video` is the stream a player would show; `audio` is None without an audio track."""

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None

    @property
    def format(self) -> str:
        """The container format by FFmpeg's first name for it (`mov`, `matroska`, `avi`, …)."""
        return self.container.format.name.split(",")[0]

    @property
    def has_presentation_times(self) -> bool:
        """Whether packets carry presentation times; AVI keeps the decoding order alone, useless with B frames."""
        return self.format != "avi" or not self.video.codec_context.has_b_frames


@contextmanager
def open_media(source: Source, *, max_pixels: int = MAX_PIXELS) -> Iterator[Media]:
    """Open `source` for demuxing and single-threaded decoding; closed on exit.

    Raises:
        VideoError: for a file that is missing, unreadable, empty, not media, encrypted, without a decodable video
            stream, or with frames of more than `max_pixels`.
    """
    _refuse_unreadable(source)
    # `file:` stops FFmpeg from reading a hostile name as a protocol (`concat:…`, `http:…`).
    file: Any = source if hasattr(source, "read") else f"file:{os.fspath(source)}"
    limits = {
        "format_whitelist": FORMATS,
        "max_streams": str(MAX_STREAMS),
        "merge_pmt_versions": "1",  # the streams of joined MPEG-TS recordings are one, whatever their identifiers
    }
    decoding = {"max_pixels": str(max_pixels)}  # the first frames are decoded on opening
    try:
        container = av.open(file, "r", buffer_size=READ_BYTES, container_options=limits, options=decoding)
    except av.error.FFmpegError as error:
        raise _refusal(error, source) from error
    except UnicodeDecodeError as error:
        raise VideoError(
            FailureCode.NOT_MEDIA, "its metadata is not text: the file is damaged, provide another copy", Stage.READ
        ) from error
    with container:
        video = _pick_video(container)
        audio = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
        context = video.codec_context
        if context.width * context.height > max_pixels:
            raise VideoError(
                FailureCode.ABSURD_DIMENSIONS,
                f"its frames are {context.width} x {context.height}; the limit is {max_pixels} pixels "
                "(raise it with --max-pixels if the file is genuine)",
            )
        # The codec applies the same limit to later frames, whose size may change.
        context.options = decoding
        context.thread_count = 1  # one decoder per core: threads inside it only add overhead
        for stream in container.streams:
            if stream is not video and stream is not audio:
                stream.discard = Discard.all
        yield Media(container, video, audio)


def encryption_error() -> VideoError:
    """The failure of an encrypted video; in MP4 only the packets reveal the encryption."""
    return VideoError(FailureCode.ENCRYPTED, "its video is encrypted: provide a decrypted copy")


def _refuse_unreadable(source: Source) -> None:
    if not isinstance(source, str | os.PathLike):
        return
    path = Path(source)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        message = f"it is a link to {os.readlink(path)}, where there is no file" if path.is_symlink() else MISSING
        raise VideoError(FailureCode.MISSING, message, Stage.READ) from None
    except PermissionError:
        raise VideoError(FailureCode.NO_PERMISSION, DENIED, Stage.READ) from None
    except (OSError, ValueError) as error:
        raise VideoError(FailureCode.MISSING, f"its path cannot be opened: {error}", Stage.READ) from error
    if not path.is_file():
        raise VideoError(
            FailureCode.NOT_MEDIA, "it is not a regular file: folders, pipes and devices cannot be videos", Stage.READ
        )
    if size == 0:
        raise VideoError(FailureCode.EMPTY, "the file is empty: its upload failed, upload it again", Stage.READ)


def _pick_video(container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not container.streams:
        raise VideoError(FailureCode.TRUNCATED, CUT_SHORT, Stage.READ)
    if not streams:
        raise VideoError(
            FailureCode.NO_VIDEO_STREAM,
            "it has no video stream, only audio or still images: leave it out of the manifest",
            Stage.READ,
        )
    # Of several video streams, players show the first that is flagged as default.
    video = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    try:
        context = video.codec_context
    except (av.error.FFmpegError, ValueError):
        context = None
    if context is None:
        raise VideoError(
            FailureCode.UNSUPPORTED_CODEC,
            "its video codec is unknown to this decoder: convert it, for example to H.264",
        )
    if context.codec_tag in ("encv", "drmi") or "enc_key_id" in video.metadata:
        raise encryption_error()
    return video


def _refusal(error: av.error.FFmpegError, source: Source) -> VideoError:
    # Demuxers raise the same errors for files that they cannot parse.
    if isinstance(error, PermissionError) and not _is_readable(source):
        return VideoError(FailureCode.NO_PERMISSION, DENIED, Stage.READ)
    if isinstance(error, FileNotFoundError) and not _is_readable(source):
        return VideoError(FailureCode.MISSING, MISSING, Stage.READ)
    if isinstance(error, MemoryError):
        message = f"its header declares more than {MAX_STREAMS} streams, or more packets than fit in memory"
        return VideoError(FailureCode.MEMORY_LIMIT, message, Stage.READ)
    if isinstance(error, av.error.EOFError) or _has_media_signature(source):
        return VideoError(FailureCode.TRUNCATED, CUT_SHORT, Stage.READ)
    if isinstance(error, av.error.DecoderNotFoundError | av.error.DemuxerNotFoundError):
        return VideoError(
            FailureCode.UNSUPPORTED_CODEC,
            f"its format or codec is unknown to this decoder ({error.strerror}): convert it, for example to H.264",
            Stage.READ,
        )
    return VideoError(
        FailureCode.NOT_MEDIA,
        f"it is not a readable media file ({error.strerror}): not a video, or damaged at its start",
        Stage.READ,
    )


def _is_readable(source: Source) -> bool:
    return not isinstance(source, str | os.PathLike) or os.access(source, os.R_OK)


def _has_media_signature(source: Source) -> bool:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            head = file.read(16)
    else:
        source.seek(0)
        head = source.read(16)
    return head[4:8] == b"ftyp" or head.startswith(MATROSKA_MAGIC)

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
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from extractors.video.cropping import Crop, clean_aperture, matroska_crops
from extractors.video.encryption import has_encryption, is_encrypted
from extractors.video.movies import unread_files
from extractors.video.sample_entries import sample_entries
from extractors.video.tracks import audio_streams, best_of, choice, video_streams
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
MAX_STREAMS = 512  # each takes up to a megabyte as soon as the file is opened
FEWER_STREAMS = "if it is genuine, provide a copy with a video and a sound stream alone (ffmpeg -i IN -c copy OUT)"
READ_BYTES = 1 << 20


@runtime_checkable
class ReadsAhead(Protocol):
    """A source that fetches ahead of the reads."""

    def expect_all(self) -> None:
        """Announce that the file will be read to its end."""


@dataclass(frozen=True)
class Media:
    """An open container.

    video         the stream that a player would show
    audio         the one that it would play; None without an audio track
    crop          the edges of the decoded pictures that are not shown; None if the container names none
    choice        which streams these are, where there were several (`extractors.video.tracks`)
    unread_files  lengths in seconds of files joined to this one that cannot be read (`extractors.video.movies`)
    """

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    crop: Crop | None
    choice: str | None
    unread_files: tuple[Fraction, ...] = ()

    @property
    def format(self) -> str:
        """The container format by FFmpeg's first name for it (`mov`, `matroska`, `avi`, …)."""
        return _format(self.container)

    @property
    def has_presentation_times(self) -> bool:
        """Whether packets have true presentation times.

        AVI keeps the decoding order alone, useless with B frames. In a bare MPEG-1 stream, libav counts decoding times,
        and learns only in the second sequence how far pictures lag behind them.
        """
        context = self.video.codec_context
        if self.format == "mpegvideo":
            return context.codec.canonical_name != "mpeg1video"
        return self.format != "avi" or not context.has_b_frames


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
        container = av.open(
            file,
            "r",
            buffer_size=READ_BYTES,
            container_options=limits,
            options=decoding,
            metadata_errors="replace",  # titles and names are often in an encoding of their time and place
        )
    except av.error.FFmpegError as error:
        raise _refusal(error, source) from error
    with container:
        video = _pick_video(container, source)
        audio = best_of(audio_streams(container, video))
        if audio is not None:
            _give_native_layout(audio.codec_context)
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
        with _peeked(source) as file:
            crop = _crop(file, container, video)
            unread = unread_files(file) if _format(container) == "mov" else ()
        yield Media(container, video, audio, crop, choice(container, video, audio), unread)


def encryption_error() -> VideoError:
    """The failure of an encrypted video."""
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


def _pick_video(container: InputContainer, source: Source) -> VideoStream:
    video = best_of(video_streams(container))
    if not container.streams:
        raise VideoError(FailureCode.TRUNCATED, CUT_SHORT, Stage.READ)
    if video is None:
        message = "it has no video stream, only audio or still images: leave it out of the manifest"
        if len(container.streams) >= MAX_STREAMS:
            message = f"none of its first {MAX_STREAMS} streams is a video, and no more are looked at: {FEWER_STREAMS}"
        raise VideoError(FailureCode.NO_VIDEO_STREAM, message, Stage.READ)
    with _peeked(source) as file:
        if is_encrypted(container, video, file):
            raise encryption_error()
    context: VideoCodecContext | None = video.codec_context  # PyAV declares that there always is one
    if context is None:
        raise VideoError(
            FailureCode.UNSUPPORTED_CODEC,
            "its video codec is unknown to this decoder: convert it, for example to H.264",
        )
    return video


def _give_native_layout(context: AudioCodecContext) -> None:
    """Have the decoder number its channels, without the order and the names that the container gives them.

    PyAV 18 copies a layout with an order of its own together with the pointer to it, which is then freed twice. The
    order makes no difference here: channels are averaged. Reading `layout` frees the pointer once, and setting it
    forgets the pointer.
    """
    channels = context.layout.nb_channels
    if not channels:
        return  # not known before the first packet
    try:
        context.layout = AudioLayout(f"{channels}c")  # libav's usual layout of so many channels
    except ValueError:
        context.layout = AudioLayout(f"{channels} channels")


def _refusal(error: av.error.FFmpegError, source: Source) -> VideoError:
    # Demuxers raise the same errors for files that they cannot parse.
    if isinstance(error, PermissionError) and not _is_readable(source):
        return VideoError(FailureCode.NO_PERMISSION, DENIED, Stage.READ)
    if isinstance(error, FileNotFoundError) and not _is_readable(source):
        return VideoError(FailureCode.MISSING, MISSING, Stage.READ)
    with _peeked(source) as file:
        if has_encryption(file):  # libav may fail to parse what it cannot decrypt
            return encryption_error()
    if isinstance(error, MemoryError):
        message = (
            f"its header declares more than {MAX_STREAMS} streams, or more packets than fit in memory: {FEWER_STREAMS}"
        )
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
    with _peeked(source) as file:
        head = file.read(16)
    return head[4:8] == b"ftyp" or head.startswith(MATROSKA_MAGIC)


def _crop(file: IO[bytes], container: InputContainer, video: VideoStream) -> Crop | None:
    if _format(container) == "mov":
        entry = next((entry for entry in sample_entries(file) if entry.track_id == video.id), None)
        return None if entry is None else clean_aperture(entry)
    if _format(container) == "matroska":
        crops = dict(zip(video_streams(container), matroska_crops(file), strict=False))
        return crops.get(video)
    return None


def _format(container: InputContainer) -> str:
    return container.format.name.split(",")[0]


@contextmanager
def _peeked(source: Source) -> Iterator[IO[bytes]]:
    """`source` as a file, at its start; one that is open already is left where it was."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield file
        return
    position = source.tell()
    source.seek(0)
    try:
        yield source
    finally:
        source.seek(position)

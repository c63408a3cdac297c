"""Whether the pictures of a file are encrypted, before any is decoded, and where libav cannot even open the file.

In: a seekable file. MP4, MOV, Matroska and ASF say so in their headers, MPEG transport streams in each packet. Where
only a part of an MP4 is encrypted, libav marks the packets (`extractors.video.packets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from av.container import InputContainer
from av.video.stream import VideoStream

from extractors.video.boxes import read_at
from extractors.video.sample_entries import SampleEntry, sample_entries

ENCRYPTED_ENTRIES = (b"encv", b"drmi")
IS_PROTECTED_AT = 10  # from the name of the box that holds the defaults of a track
METADATA_KEYS = ("enc_key_id", "ASF_Protection_Type")  # libav's, for a track of Matroska and for an ASF file
SYNC_BYTE = 0x47
TRANSPORT_PACKETS = ((188, 0), (192, 4), (204, 0))  # sizes, and where a packet starts within
TRANSPORT_BYTES = 1 << 18  # within which the pictures begin


def is_encrypted(container: InputContainer, video: VideoStream, file: IO[bytes]) -> bool:
    """Whether the pictures of `video` are encrypted; `container` has opened `file`."""
    if container.format.name == "mpegts":
        return next(_scrambling(file, video.id), False)
    if container.format.name.startswith("mov,"):
        return any(_is_encrypted(entry) for entry in sample_entries(file) if entry.track_id == video.id)
    return any(key in video.metadata or key in container.metadata for key in METADATA_KEYS)


def has_encryption(file: IO[bytes]) -> bool:
    """Whether any pictures of a file that libav cannot open are encrypted, or any packets of a transport stream."""
    return any(map(_is_encrypted, sample_entries(file))) or any(_scrambling(file, None))


def _is_encrypted(entry: SampleEntry) -> bool:
    if entry.format not in ENCRYPTED_ENTRIES:
        return False
    at = entry.content.find(b"tenc")  # not there in Smooth Streaming's files, which name it by a number
    return at < 0 or entry.content[at + IS_PROTECTED_AT : at + IS_PROTECTED_AT + 1] != b"\0"


def _scrambling(file: IO[bytes], stream_id: int | None) -> Iterator[bool]:
    """Whether each packet with a payload is scrambled: of one stream of a transport stream, or of all."""
    data = read_at(file, 0, TRANSPORT_BYTES)
    for size, start in TRANSPORT_PACKETS:
        if len(data) > start + 2 * size and all(data[start + number * size] == SYNC_BYTE for number in range(3)):
            for at in range(start, len(data) - 3, size):
                is_wanted = stream_id in (None, int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF)
                if is_wanted and data[at + 3] & 0x10:
                    yield bool(data[at + 3] & 0xC0)
            return

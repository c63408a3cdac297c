"""Makers of poison: small files that ask for far more memory, time or streams than they are worth.

Each is a real file that libav opens, or begins to.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from tests.support.videos import Clip, write_video

ONE_PICTURE = Clip(frames=1, width=64, height=48, pts=[0])
TRACKS, SEGMENT, CLUSTER, BLOCK = b"\x16\x54\xae\x6b", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xa3"
CHECKSUM, CHECKSUM_BYTES = b"\xbf\x84", 6  # of what follows it, with any bytes
UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


def decompression_bomb(path: Path, size: int, frames: int) -> Path:
    """A QuickTime file of black PNG pictures of `size` x `size` pixels, a thousandth of that in bytes."""
    packet = _black_png(size)
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "gray"
        for number in range(frames):
            picture = av.Packet(packet)
            picture.pts = picture.dts = number
            picture.time_base, picture.duration, picture.is_keyframe = Fraction(1), 1, True
            picture.stream = stream
            container.mux(picture)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"png \0\0\0\0\0\0\0\1")  # the one in the sample description
    data[entry + 28 : entry + 32] = struct.pack(">HH", size, size)
    path.write_bytes(data)
    return path


def _black_png(size: int) -> bytes:
    compressor = zlib.compressobj(1)
    row = bytes(1 + size)
    rows = b"".join(compressor.compress(row) for _ in range(size)) + compressor.flush()
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def million_samples(path: Path, count: int = 1_000_000) -> Path:
    """An MP4 of one picture whose index says in a few bytes that there are `count`."""
    data = bytearray(write_video(path, ONE_PICTURE).read_bytes())
    for box, offset in ((b"stsz", 12), (b"stts", 12), (b"stsc", 16)):
        place = data.rindex(box) + offset
        data[place : place + 4] = struct.pack(">I", count)
    path.write_bytes(data)
    return path


def million_blocks(path: Path, count: int = 1_000_000) -> Path:
    """A Matroska file of one picture and `count` packets of one byte."""
    data = bytearray(write_video(path, ONE_PICTURE).read_bytes())
    blocks = b"".join([BLOCK, b"\x85\x81\x00\x00\x00\x00"]) * count
    data += CLUSTER + b"\x01" + (len(blocks) + 3).to_bytes(7, "big") + b"\xe7\x81\x00" + blocks
    path.write_bytes(_endless(data))
    return path


def many_packets(path: Path, count: int) -> Path:
    """An MPEG transport stream of one picture, `count` times, all at the same moment."""
    data = write_video(path, ONE_PICTURE).read_bytes()
    path.write_bytes(data * count)
    return path


def many_traks(path: Path, count: int = 10_000) -> Path:
    """An MP4 with `count` tracks, all of them the same picture."""
    data = write_video(path, ONE_PICTURE).read_bytes()
    start, size = next((at, size) for kind, at, size in _boxes(data, 0, len(data)) if kind == b"moov")
    first, length = next((at, size) for kind, at, size in _boxes(data, start + 8, start + size) if kind == b"trak")
    traks = bytearray()
    for number in range(count):
        trak = bytearray(data[first : first + length])
        place = trak.index(b"tkhd") + 16
        trak[place : place + 4] = struct.pack(">I", number + 1)
        traks += trak
    whole = bytearray(data[:first] + traks + data[first + length :])
    whole[start : start + 4] = struct.pack(">I", size + (count - 1) * length)
    path.write_bytes(whole)
    return path


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while at < end:
        size = struct.unpack(">I", data[at : at + 4])[0]
        yield data[at + 4 : at + 8], at, size
        at += size


def many_tracks(path: Path, count: int = 10_000) -> Path:
    """A Matroska file with `count` tracks, of which the first holds a picture."""
    data = bytearray(write_video(path, ONE_PICTURE).read_bytes())
    at = data.rindex(TRACKS) + len(TRACKS)
    size, width = _number(data, at)
    body = data[at + width : at + width + size]
    first = body.index(b"\xae", CHECKSUM_BYTES if body.startswith(CHECKSUM) else 0) + 1
    length, width_of_length = _number(body, first)
    track = bytes(body[first + width_of_length : first + width_of_length + length])
    entries = bytearray()
    for number in range(1, count + 1):
        entry = track.replace(b"\xd7\x81\x01", b"\xd7\x84" + struct.pack(">I", number), 1)
        entries += b"\xae" + struct.pack(">I", 0x10000000 | len(entry)) + entry
    data[at : at + width + size] = b"\x01" + len(entries).to_bytes(7, "big") + entries
    path.write_bytes(_endless(data))
    return path


def tagged_duration(path: Path, text: str) -> Path:
    """A Matroska file of four seconds whose `DURATION` tag holds `text`, of up to 18 characters."""
    data = write_video(path, Clip(frames=100, gop=25, width=96, height=48)).read_bytes()
    start, tag, rest = data.partition(b"DURATION\x44\x87")  # the name of the tag, then of the element with its value
    size, width = _number(rest, 0)
    path.write_bytes(start + tag + rest[:width] + text.encode().ljust(size, b"\0") + rest[width + size :])
    return path


def _number(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """EBML's integer of variable size at `at`, and how many bytes it takes."""
    width = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


def _endless(data: bytearray) -> bytearray:
    """Matroska whose size is left open, as while it is being recorded."""
    at = data.index(SEGMENT) + len(SEGMENT)
    data[at : at + 8] = UNKNOWN_SIZE
    return data

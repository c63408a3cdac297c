"""Videos that are to be turned or mirrored, as containers and as streams of H.264, HEVC and Motion JPEG say it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

DISPLAY_ORIENTATION = 47  # payload of supplemental enhancement information, in H.264 and HEVC alike
SEI_HEADERS = {"h264": b"\x06", "hevc": b"\x4e\x01"}
ONE = 1 << 16


@dataclass(frozen=True)
class Orientation:
    """How a picture is shown: first mirrored, then turned counterclockwise by so many `degrees`.

    `matrix` are the first entries a, b, c, d of the display matrix: (x, y) is shown at (a x + c y, b x + d y). `shown`
    makes the picture (H, W, 3) of the decoded one.
    """

    degrees: int
    is_mirrored: bool
    matrix: tuple[int, int, int, int]
    shown: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


ORIENTATIONS = {
    "upright": Orientation(0, False, (1, 0, 0, 1), lambda image: image),
    "turned left": Orientation(90, False, (0, -1, 1, 0), lambda image: image.transpose(1, 0, 2)[::-1]),
    "upside down": Orientation(180, False, (-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    "turned right": Orientation(270, False, (0, 1, -1, 0), lambda image: image.transpose(1, 0, 2)[:, ::-1]),
    "mirrored": Orientation(0, True, (-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "flipped": Orientation(180, True, (1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": Orientation(90, True, (0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transposed across": Orientation(270, True, (0, -1, -1, 0), lambda image: image.transpose(1, 0, 2)[::-1, ::-1]),
}


def with_matrix(source: Path, target: Path, matrix: tuple[int, int, int, int]) -> Path:
    """A copy of `source` with a display matrix in its header."""
    a, b, c, d = (ONE * entry for entry in matrix)
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        copy.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for packet in reading.demux(video):
            if packet.size:
                packet.stream = copy
                writing.mux(packet)
    return target


def with_message(source: Path, target: Path, orientation: Orientation, *, everywhere: bool) -> Path:
    """A copy of `source` (MP4) whose stream tells the orientation, in all of its pictures or in key frames alone."""
    with av.open(str(source)) as container:
        message = _message(container.streams.video[0].codec_context.name, orientation)

    def told(packet: av.Packet) -> bytes:
        is_told = everywhere or packet.is_keyframe
        return len(message).to_bytes(4) + message + bytes(packet) if is_told else bytes(packet)

    return _changed(source, target, told)


def with_exif(source: Path, target: Path, number: int) -> Path:
    """A copy of `source`, Motion JPEG, whose pictures have this orientation by Exif's numbers."""
    entry = struct.pack(">HHHIHH", 1, 0x112, 3, 1, number, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + entry + bytes(4)
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    return _changed(source, target, lambda packet: bytes(packet)[:2] + segment + bytes(packet)[2:])


def _changed(source: Path, target: Path, change: Callable[[av.Packet], bytes]) -> Path:
    """A copy of a video with other contents of its packets."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        for packet in reading.demux(video):
            if packet.size:
                changed = av.Packet(change(packet))
                changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
                changed.time_base, changed.is_keyframe, changed.stream = packet.time_base, packet.is_keyframe, copy
                writing.mux(changed)
    return target


def _message(codec: str, orientation: Orientation) -> bytes:
    turn = ONE * orientation.degrees // 360
    # Not cancelled; mirrored left to right, top to bottom; the turn; until another message (H.264's has a longer code).
    bits = f"0{int(orientation.is_mirrored)}0{turn:016b}" + ("0100" if codec == "h264" else "1") + "1"
    payload = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    return SEI_HEADERS[codec] + bytes([DISPLAY_ORIENTATION, len(payload)]) + payload + b"\x80"

"""Encrypted pictures are named as such, whether libav marks them, decodes them to nothing or cannot open the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import av
import av.error
import numpy as np
import pytest

from extractors.video.decode import sample_frames
from schemas.outcomes import FailureCode, VideoError
from tests.support.boxes import box, edited, with_sample_entry
from tests.support.transport import packets, pid
from tests.support.videos import Clip, write_video

COMMON_ENCRYPTION = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "00112233445566778899aabbccddeeff",
    "encryption_kid": "ffeeddccbbaa99887766554433221100",
}
CODECS = ("libx264", "libsvtav1", "libvpx-vp9", "mpeg4")
# Smooth Streaming's numbers for the defaults of a track and for those of each sample.
TRACK_DEFAULTS = UUID("8974dbce-7be7-4c51-84f9-7148f9882554").bytes
SAMPLE_DEFAULTS = UUID("a2394f52-5a9b-4f14-a244-6c427c648df4").bytes
ASF_ENCRYPTION = UUID("2211b3fb-bd23-11d2-b4b7-00a0c955fc6e").bytes_le
VIDEO_PID, SOUND_PID = 0x100, 0x101


def clip(codec: str, **options: str) -> Clip:
    return Clip(codec, 30, width=96, height=48, container_options=options)


def check_encrypted(path: Path) -> None:
    for selective in (True, False):
        for source in (path, io.BytesIO(path.read_bytes())):
            with pytest.raises(VideoError, match="encrypted: provide a decrypted copy") as caught:
                list(sample_frames(source, selective=selective))
            assert caught.value.code == FailureCode.ENCRYPTED


@pytest.mark.parametrize("codec", CODECS)
def test_common_encryption(codec: str, tmp_path: Path) -> None:
    check_encrypted(write_video(tmp_path / "locked.mp4", clip(codec, **COMMON_ENCRYPTION)))


@pytest.mark.parametrize("codec", CODECS)
def test_encryption_as_in_smooth_streaming(codec: str, tmp_path: Path) -> None:
    """Without the boxes that libav reads: it decodes what is encrypted, to nothing or to noise."""
    replaced: dict[bytes, Callable[[bytes], bytes]] = {
        b"schm": lambda content: box(b"schm", content.replace(b"cenc", b"piff")),
        b"tenc": lambda content: box(b"uuid", TRACK_DEFAULTS + content),
        b"senc": lambda content: box(b"uuid", SAMPLE_DEFAULTS + content),
        b"saiz": lambda content: b"",
        b"saio": lambda content: b"",
    }
    path = write_video(tmp_path / "locked.mp4", clip(codec, **COMMON_ENCRYPTION))
    path.write_bytes(edited(path.read_bytes(), replaced))
    check_encrypted(path)


def test_encryption_that_libav_cannot_parse(tmp_path: Path) -> None:
    path = write_video(tmp_path / "locked.mp4", clip("libx264", **COMMON_ENCRYPTION))
    path.write_bytes(edited(path.read_bytes(), {b"senc": lambda content: box(b"senc", b"\xff" * 9)}))
    with pytest.raises(av.error.FFmpegError):
        av.open(str(path))
    check_encrypted(path)


def test_encrypted_sound_does_not_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=30, width=96, height=48, sound="aac"))
    data = with_sample_entry(path.read_bytes(), b"soun", 28, {b"sinf": box(b"frma", b"mp4a")})
    path.write_bytes(data.replace(b"mp4a\0\0\0\0\0\0\0\1", b"enca\0\0\0\0\0\0\0\1"))
    assert b"enca" in path.read_bytes()
    assert len(list(sample_frames(path))) == 2


def test_a_track_that_may_be_encrypted_and_is_not_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=30, width=96, height=48))
    defaults = box(b"tenc", bytes(24))
    protection = box(b"frma", b"avc1") + box(b"schm", bytes(4) + b"cenc\0\1\0\0") + box(b"schi", defaults)
    data = with_sample_entry(path.read_bytes(), b"vide", 78, {b"sinf": protection})
    path.write_bytes(data.replace(b"avc1\0\0\0\0\0\0\0\1", b"encv\0\0\0\0\0\0\0\1"))
    assert b"encv" in path.read_bytes()
    assert len(list(sample_frames(path))) == 2


def test_rights_management_in_asf(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.wmv", Clip("wmv2", 30, width=96, height=48))
    assert len(list(sample_frames(path))) == 2
    data = bytearray(path.read_bytes())
    parts = b"".join(len(part).to_bytes(4, "little") + part for part in (b"secret", b"DRM\0", b"key\0", b"http://a\0"))
    protection = ASF_ENCRYPTION + (24 + len(parts)).to_bytes(8, "little") + parts
    data[16:24] = (int.from_bytes(data[16:24], "little") + len(protection)).to_bytes(8, "little")
    data[24:28] = (int.from_bytes(data[24:28], "little") + 1).to_bytes(4, "little")
    data[30:30] = protection
    path.write_bytes(data)
    check_encrypted(path)


def scrambled(data: bytes, *pids: int, with_headers: bool, stamps: bool = False) -> bytes:
    """A transport stream in which the payloads of these are noise; `with_headers` begins at the headers of pictures."""
    rng = np.random.default_rng(0)
    changed = []
    for packet in packets(data):
        if pid(packet) in pids and packet[3] & 0x10:
            start = 5 + packet[4] if packet[3] & 0x20 else 4
            if not with_headers and packet[1] & 0x40:
                start += 9 + packet[start + 8]
            packet = packet[:3] + bytes([packet[3] | 0x80]) + packet[4:start] + rng.bytes(188 - start)
        changed.append(bytes(4 if stamps else 0) + packet)
    return b"".join(changed)


@pytest.mark.parametrize("pids", [[VIDEO_PID], [VIDEO_PID, SOUND_PID]])
@pytest.mark.parametrize("with_headers", [True, False])
@pytest.mark.parametrize("stamps", [True, False])
def test_a_scrambled_transport_stream(pids: list[int], with_headers: bool, stamps: bool, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", Clip(frames=60, width=96, height=48, sound="aac"))
    path.write_bytes(scrambled(path.read_bytes(), *pids, with_headers=with_headers, stamps=stamps))
    check_encrypted(path)


def test_the_pictures_beside_scrambled_sound_are_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", Clip(frames=60, width=96, height=48, sound="mp2"))
    path.write_bytes(scrambled(path.read_bytes(), SOUND_PID, with_headers=False))
    assert len(list(sample_frames(path))) == 3

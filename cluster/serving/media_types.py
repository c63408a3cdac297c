"""What a file is, by its first bytes: a media type, for the formats that `extractors.video.media` opens.

A name or a claim of the client counts for nothing. What passes here may still be no video, which decoding tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HEAD_BYTES = 4096
TS_PACKET = 188
# Patterns at the beginning of a file.
PATTERNS: Sequence[tuple[re.Pattern[bytes], str]] = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb".{4}ftypqt  ", "video/quicktime"),
        (rb".{4}(?:ftyp|styp)", "video/mp4"),
        (rb".{4}(?:moov|mdat|wide|free|skip|pnot)", "video/quicktime"),
        (rb"\x1a\x45\xdf\xa3.{0,80}webm", "video/webm"),
        (rb"\x1a\x45\xdf\xa3", "video/x-matroska"),
        (rb"RIFF.{4}AVI ", "video/x-msvideo"),
        (rb"FLV\x01", "video/x-flv"),
        (rb"OggS", "video/ogg"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
        (rb"\x00\x00\x01[\xba\xb3]", "video/mpeg"),
        (rb"\x00{1,3}\x01[\x00-\xff]", "application/octet-stream"),  # bare H.264, HEVC, MPEG-4
        (rb"\x47.{187}\x47.{187}\x47", "video/mp2t"),
        (rb".{4}\x47.{191}\x47", "video/mp2t"),
        (rb"DKIF", "application/octet-stream"),  # IVF
        (rb"\x12\x00\x0a", "application/octet-stream"),  # AV1
        (rb"YUV4MPEG2 ", "application/octet-stream"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", "application/mxf"),
        (rb"nut/multimedia container", "application/octet-stream"),
        (rb"\.RMF", "application/vnd.rn-realmedia"),
        (rb"\xb7\xd8\x00\x20\x37\x49\xda\x11", "application/octet-stream"),  # WTV
        (rb"\x1f\x07\x00", "video/x-dv"),
        (rb"\xff\xd8\xff", "application/octet-stream"),  # Motion JPEG
    )
)


def media_type_of(head: bytes) -> str | None:
    """The media type of a file with these first bytes; None for what is no video."""
    return next((name for pattern, name in PATTERNS if pattern.match(head)), None)

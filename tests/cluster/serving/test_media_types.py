from __future__ import annotations

import pytest

from cluster.serving.media_types import HEAD_BYTES, media_type_of
from tests.support.videos import Clip, write_video

TINY = {"frames": 3, "width": 96, "height": 48}


@pytest.mark.parametrize(
    ("suffix", "codec", "media_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("mov", "libx264", "video/quicktime"),
        ("mkv", "libx264", "video/x-matroska"),
        ("webm", "libvpx", "video/webm"),
        ("avi", "mpeg4", "video/x-msvideo"),
        ("ts", "mpeg2video", "video/mp2t"),
        ("mpg", "mpeg1video", "video/mpeg"),
        ("flv", "flv", "video/x-flv"),
        ("h264", "libx264", "application/octet-stream"),
        ("y4m", "wrapped_avframe", "application/octet-stream"),
    ],
)
def test_what_encoders_write_is_known(tmp_path, suffix, codec, media_type):
    path = write_video(tmp_path / f"v.{suffix}", Clip(codec=codec, **TINY))
    assert media_type_of(path.read_bytes()[:HEAD_BYTES]) == media_type


@pytest.mark.parametrize(
    "head",
    [b"", b"#EXTM3U\n", b"<?xml version='1.0'?><MPD>", b"<svg>", b"PK\x03\x04", b"%PDF-1.7", b"ffconcat version 1.0"],
)
def test_documents_and_playlists_are_no_videos(head):
    assert media_type_of(head) is None

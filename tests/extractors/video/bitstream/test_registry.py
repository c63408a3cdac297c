"""Every codec's reader is found by FFmpeg's own name for it, and only where its structure is known."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from extractors.video.bitstream.picture import INTRA
from extractors.video.bitstream.registry import READERS, reader_for
from tests.support.packets import coded
from tests.support.videos import Clip, write_video

INTRA_ONLY = {
    "mjpeg": (".avi", "yuvj420p"),
    "huffyuv": (".avi", "yuv422p"),
    "ffvhuff": (".avi", "yuv420p"),
    "prores_ks": (".mov", "yuv422p10le"),
    "v210": (".mov", "yuv422p10le"),
    "utvideo": (".avi", "yuv420p"),
    "rawvideo": (".avi", "yuv420p"),
}


@pytest.mark.parametrize("name", READERS)
def test_names_are_ffmpegs(name: str) -> None:
    assert av.codec.Codec(name, "r").canonical_name == name


@pytest.mark.parametrize("name", ["ffv1", "flv1", "theora", "wmv2", "msmpeg4v3", "", "no codec"])
def test_unknown_structures_have_no_reader(name: str) -> None:
    assert reader_for(name, None) is None


@pytest.mark.parametrize(("name", "extradata"), [("h264", b"\x01"), ("h264", b"junk"), ("hevc", b"\x01\x00")])
def test_a_broken_configuration_has_no_reader(name: str, extradata: bytes) -> None:
    assert reader_for(name, extradata) is None


@pytest.mark.parametrize("codec", INTRA_ONLY)
def test_intra_only_codecs_depend_on_nothing(codec: str, tmp_path: Path) -> None:
    suffix, pix_fmt = INTRA_ONLY[codec]
    video = coded(write_video(tmp_path / f"clip{suffix}", Clip(codec, 6, width=96, height=48, pix_fmt=pix_fmt)))
    assert video.pictures() == [INTRA] * 6
    whole, one = video.decode(), video.decode({3})
    assert list(one) == [3]
    assert (one[3].planes == whole[3].planes).all()


def test_readers_do_not_share_state(tmp_path: Path) -> None:
    video = coded(write_video(tmp_path / "clip.ts", Clip(frames=4)))
    assert [video.reader()(video.packets[0]).random_access for _ in range(2)] == [True, True]
    assert reader_for("h264", None) is not reader_for("h264", None)

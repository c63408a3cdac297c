"""What cannot be opened is refused with a code and a sentence; what can holds the streams that a player would use."""

from __future__ import annotations

import io
import os
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.video.decode import sample_frames
from extractors.video.media import MAX_STREAMS, Source, open_media
from extractors.video.probe import probe
from extractors.video.thumbnail import video_thumbnail
from schemas.outcomes import FailureCode, Stage, VideoError
from tests.support.claims import many_streams
from tests.support.sounds import Track, sound_packets, write_with_sound
from tests.support.transport import FIRST_PROGRAMME_PID, SERVICES_PID, resealed
from tests.support.videos import Clip, picture, read_number, write_video

SMALL = Clip(frames=30, width=96, height=48)


def refusal(source: Source) -> VideoError:
    with pytest.raises(VideoError) as caught:
        list(sample_frames(source))
    assert caught.value.message == str(caught.value)
    assert len(caught.value.message) > 15
    return caught.value


def test_a_clip_is_opened_with_its_streams(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=30, width=96, height=48, sound="aac"))
    for source in (path, str(path), io.BytesIO(path.read_bytes())):
        with open_media(source) as media:
            assert media.format == "mov"
            assert media.video.codec_context.name == "h264"
            assert media.audio is not None
            assert media.has_presentation_times


@pytest.mark.parametrize(("codec", "b_frames", "expected"), [("mpeg4", 0, True), ("libx264", 2, False)])
def test_avi_with_reordered_frames_has_no_presentation_times(
    codec: str, b_frames: int, expected: bool, tmp_path: Path
) -> None:
    clip = Clip(codec, 30, width=96, height=48, b_frames=b_frames)
    with open_media(write_video(tmp_path / "clip.avi", clip)) as media:
        assert media.has_presentation_times is expected


@pytest.mark.parametrize(("suffix", "codec", "expected"), [("m1v", "mpeg1video", False), ("m2v", "mpeg2video", True)])
def test_bare_mpeg_1_has_no_presentation_times(suffix: str, codec: str, expected: bool, tmp_path: Path) -> None:
    with open_media(write_video(tmp_path / f"clip.{suffix}", Clip(codec, 30, width=96, height=48))) as media:
        assert media.has_presentation_times is expected


def test_missing(tmp_path: Path) -> None:
    error = refusal(tmp_path / "missing.mp4")
    assert (error.code, error.stage) == (FailureCode.MISSING, Stage.READ)
    assert "there is no such file" in error.message
    assert "a relative one counts from the manifest's folder" in error.message


def test_a_link_to_nowhere_names_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to("../gone.mp4")
    error = refusal(link)
    assert (error.code, error.message) == (
        FailureCode.MISSING,
        "it is a link to ../gone.mp4, where there is no file",
    )


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_an_invalid_file_name(name: str) -> None:
    assert refusal(name).code == FailureCode.MISSING


def test_folders_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "pipe"):
        error = refusal(path)
        assert error.code == FailureCode.NOT_MEDIA
        assert "not a regular file" in error.message


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("as_file", [True, False])
def test_random_bytes_are_refused(size: int, as_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    error = refusal(path if as_file else io.BytesIO(path.read_bytes()))
    assert error.code in (FailureCode.NOT_MEDIA, FailureCode.TRUNCATED)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4").code == FailureCode.EMPTY


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_upload_is_refused(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"clip{suffix}", SMALL)
    path.write_bytes(path.read_bytes()[:60])
    for source in (path, io.BytesIO(path.read_bytes())):
        error = refusal(source)
        assert error.code == FailureCode.TRUNCATED
        assert "cut short" in error.message


@pytest.mark.parametrize("seed", [4, 2])
def test_damage_is_not_reported_as_missing_permission(seed: int, tmp_path: Path) -> None:
    # Some demuxers answer "operation not permitted" to headers that they do not understand.
    data = write_video(tmp_path / "clip.asf", Clip("wmv2", 30, width=96, height=48)).read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 10)):
            damaged[rng.integers(600)] = rng.integers(256)
        try:
            with open_media(io.BytesIO(damaged)):
                continue
        except VideoError as error:
            assert error.code not in (FailureCode.NO_PERMISSION, FailureCode.MISSING)  # noqa: PT017 - or none at all


def test_audio_files_and_cover_pictures_are_not_videos(tmp_path: Path) -> None:
    track = Track(((0.0, np.zeros((1, 16_000), np.float32)),), "aac", 16_000)
    for has_cover in (False, True):
        path = tmp_path / f"sound{has_cover}.mp4"
        with av.open(str(path), "w") as container:
            cover = add_cover(container) if has_cover else []
            container.mux([*sound_packets(container, track), *cover])
        error = refusal(path)
        assert error.code == FailureCode.NO_VIDEO_STREAM


@pytest.mark.parametrize("name", ["streams.mkv", "streams.mov"])
def test_the_picture_is_found_behind_many_streams(name: str, tmp_path: Path) -> None:
    path = many_streams(tmp_path / name, 300)
    with open_media(path) as media:
        assert media.video.index == 299
    assert len(list(sample_frames(path))) == 2


@pytest.mark.parametrize(
    ("name", "code"),
    [("streams.mkv", FailureCode.NO_VIDEO_STREAM), ("streams.mov", FailureCode.MEMORY_LIMIT)],
)
def test_a_picture_behind_too_many_streams_is_refused_with_what_to_do(
    name: str, code: FailureCode, tmp_path: Path
) -> None:
    error = refusal(many_streams(tmp_path / name, MAX_STREAMS + 10))
    assert error.code == code
    assert str(MAX_STREAMS) in error.message
    assert "ffmpeg" in error.message


def add_cover(container: av.container.OutputContainer) -> list[av.Packet]:
    stream = container.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 96, 48, "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    frame = av.VideoFrame(96, 48, "yuvj420p")
    frame.pts = 0
    return stream.encode(frame)


def test_a_cover_picture_before_the_video_is_skipped(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", SMALL)
    path = tmp_path / "covered.mp4"
    with av.open(str(source)) as reading, av.open(str(path), "w") as writing:
        cover = add_cover(writing)
        video = writing.add_stream_from_template(reading.streams.video[0])
        writing.mux(cover)
        for packet in reading.demux(reading.streams.video[0]):
            if packet.size:
                packet.stream = video
                writing.mux(packet)
    with open_media(path) as media:
        assert media.video.codec_context.name == "h264"
    assert [read_number(sample.image) for sample in sample_frames(path)] == [0, 25]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".flv", ".ts", ".nut"])
@pytest.mark.parametrize(
    "text", ["café naïve".encode("latin-1"), "テスト".encode("shift-jis"), b"\xc3\x28\xff\xfe"], ids=str
)
def test_metadata_in_any_encoding_is_no_obstacle(suffix: str, text: bytes, tmp_path: Path) -> None:
    marker = "M" * len(text)
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata.update(dict.fromkeys(("title", "artist", "service_name", "service_provider"), marker))
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 9, "time_base": Fraction(1), "metadata": {"title": marker}}]
        )
        stream = container.add_stream("flv" if suffix == ".flv" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 48, "yuv420p"
        stream.metadata.update(dict.fromkeys(("title", "handler_name"), marker))
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(picture(number, 96, 48), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert marker.encode() in data
    data = data.replace(marker.encode(), text)
    path.write_bytes(resealed(data, SERVICES_PID) if suffix == ".ts" else data)
    if suffix != ".ts":  # where libav converts what it can
        with pytest.raises(UnicodeDecodeError), av.open(str(path)) as container:
            container.chapters()
    for source in (str(path), io.BytesIO(path.read_bytes())):
        assert [read_number(sample.image) for sample in sample_frames(source)] == [0, 25]
    assert probe(path).width == 96
    assert video_thumbnail(path).jpeg


def test_a_codec_tag_in_no_encoding_is_no_obstacle(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", SMALL)
    h264, vc1 = b"\x1b\xe1\x00", b"\xea\xe1\x00"  # in the table of the programme, with the identifier of the stream
    data = path.read_bytes()
    assert h264 in data
    path.write_bytes(resealed(data.replace(h264, vc1), FIRST_PROGRAMME_PID))
    with open_media(path) as media:
        assert media.video.codec_context.name == "vc1"
        with pytest.raises(UnicodeDecodeError):
            assert media.video.codec_context.codec_tag
    assert refusal(path).code == FailureCode.NO_DECODABLE_FRAME


@pytest.mark.parametrize("default", [0, 1])
def test_of_several_video_streams_the_default_one_is_used(default: int, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for number, width in enumerate((96, 48)):
            stream = container.add_stream("mpeg4", rate=5)
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
            streams.append(stream)
        for stream in streams:
            container.mux([*stream.encode(av.VideoFrame(stream.width, 48, "yuv420p")), *stream.encode(None)])
    with open_media(path) as media:
        assert media.video.codec_context.width == (96, 48)[default]


@pytest.mark.parametrize(
    ("codec", "headers"),
    [("libx264", [b"\x67", b"\x68"]), ("libx265", [b"\x40\x01", b"\x42\x01", b"\x44\x01"])],
)
def test_a_stream_without_its_parameters_has_no_decodable_frame(
    codec: str, headers: list[bytes], tmp_path: Path
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    data = write_video(tmp_path / "clip.ts", Clip(codec, 60, width=96, height=48, options=options)).read_bytes()
    unused = {1: b"\x0c", 2: b"\x4c\x01"}  # filler
    for header in headers:
        start = b"\0\0\1" + header
        assert start in data
        data = data.replace(start, b"\0\0\1" + unused[len(header)])
    (tmp_path / "headless.ts").write_bytes(data)
    assert refusal(tmp_path / "headless.ts").code == FailureCode.NO_DECODABLE_FRAME


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg2video", ".ts"), ("mpeg4", ".avi"), ("mjpeg", ".mkv")])
def test_a_size_that_the_decoder_refuses_is_absurd(codec: str, suffix: str, tmp_path: Path) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / f"clip{suffix}", Clip(codec, 5, width=96, height=64, pix_fmt=pix_fmt))
    with pytest.raises(VideoError) as caught:
        list(sample_frames(path, max_pixels=96 * 64 - 1))
    assert caught.value.code == FailureCode.ABSURD_DIMENSIONS


def test_an_unknown_codec_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", SMALL)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_NOBODY/KNOWS/"))
    error = refusal(path)
    assert error.code == FailureCode.UNSUPPORTED_CODEC
    assert "codec" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile {clip}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{clip}</BaseURL></MPD>',
        "[playlist]\nFile1={clip}\n",
    ],
)
def test_a_playlist_with_a_video_suffix_is_not_followed(text: str, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "secret.mp4", SMALL)
    for suffix in (".mp4", ".m3u8", ".ts", ".mpd", ".txt"):
        path = tmp_path / f"list{suffix}"
        path.write_text(text.format(clip=clip))
        assert refusal(path).code == FailureCode.NOT_MEDIA
        assert refusal(io.BytesIO(path.read_bytes())).code == FailureCode.NOT_MEDIA


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4", SMALL).rename("concat:clip.mp4")
    assert len(list(sample_frames("concat:clip.mp4"))) == 2
    Path("concat:clip.mp4").rename("%d.mp4")
    assert len(list(sample_frames("%d.mp4"))) == 2


def test_frames_above_the_size_limit_are_refused_before_decoding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", SMALL)
    message = re.escape("96 x 48; the limit is 4607 pixels (raise it with --max-pixels")
    with pytest.raises(VideoError, match=message) as caught, open_media(path, max_pixels=96 * 48 - 1):
        pass
    assert caught.value.code == FailureCode.ABSURD_DIMENSIONS
    with open_media(path, max_pixels=96 * 48):
        pass


def test_the_container_is_closed_at_the_end(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "clip.mkv", None, seconds=1)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with open_media(path):
            pass
    assert len(os.listdir("/proc/self/fd")) == before

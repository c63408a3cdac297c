"""Sampling is exact: generated videos show their own frame number, and decoding everything is the reference."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from extractors.video.decode import Sample, sample_frames
from extractors.video.groups import read_groups
from extractors.video.media import open_media
from schemas.outcomes import FailureCode, VideoError
from tests.support.videos import TICKS, Clip, picture, read_number, remux, write_video

X264_PYRAMID = "bframes=3:b-pyramid=normal:b-adapt=0:scenecut=0"
X265_QUIET = "log-level=none:keyint=30"
VP9 = {"cpu-used": "8", "lag-in-frames": "16"}
AV1 = {"preset": "12", "svtav1-params": "lp=1"}
VARIABLE_PTS = [int(TICKS * t) for t in np.cumsum(np.random.default_rng(1).choice([0.02, 0.05, 0.3, 1.7], 60))]


def x264(params: str, **clip: object) -> Clip:
    return Clip(options={"x264-params": params}, **clip)  # type: ignore[arg-type]


def x265(params: str = "", **clip: object) -> Clip:
    return Clip(codec="libx265", options={"x265-params": f"{X265_QUIET}{params}"}, **clip)  # type: ignore[arg-type]


def tagged(transfer: str, primaries: str, matrix: str, **clip: object) -> Clip:
    options = {"color_trc": transfer, "color_primaries": primaries, "colorspace": matrix}
    return Clip(options=options, **clip)  # type: ignore[arg-type]


# suffix and clip; selective decoding must do these without falling back
SELECTIVE = {
    "h264": (".mp4", Clip()),
    "h264 without B-frames": (".mp4", Clip(options={"bf": "0", "g": "30"})),
    "h264 B-pyramid": (".mp4", x264(f"{X264_PYRAMID}:keyint=40")),
    "h264 open groups": (".mp4", x264(f"open-gop=1:keyint=20:{X264_PYRAMID}")),
    "h264 open groups in Matroska": (".mkv", x264(f"open-gop=1:keyint=20:{X264_PYRAMID}")),
    "h264 open groups in MPEG-TS": (".ts", x264(f"open-gop=1:keyint=20:{X264_PYRAMID}")),
    "h264 intra refresh": (".mp4", x264("intra-refresh=1:keyint=20")),
    "h264 one long group": (".mp4", x264("keyint=infinite:bframes=3", frames=700, width=96, height=48)),
    "h264 four slices": (".mp4", x264("slices=4:keyint=30")),
    "h264 interlaced": (".mp4", x264("interlaced=1:keyint=30")),
    "h264 MPEG-TS": (".ts", Clip()),
    "h264 Matroska": (".mkv", Clip()),
    "h264 MOV": (".mov", Clip()),
    "h264 FLV": (".flv", Clip()),
    "h264 fragmented": (".mp4", Clip(gop=25, container_options={"movflags": "frag_keyframe+empty_moov"})),
    "h264 10 bit": (".mp4", Clip(pix_fmt="yuv420p10le")),
    "h264 4:2:2": (".mp4", Clip(pix_fmt="yuv422p")),
    "h264 4:4:4": (".mp4", Clip(pix_fmt="yuv444p")),
    "h264 full range": (".mp4", Clip(pix_fmt="yuvj420p")),
    "h264 BT.709": (".mp4", tagged("bt709", "bt709", "bt709")),
    "h264 PQ": (".mp4", tagged("smpte2084", "bt2020", "bt2020nc", pix_fmt="yuv420p10le")),
    "h264 HLG": (".mp4", tagged("arib-std-b67", "bt2020", "bt2020nc", pix_fmt="yuv420p10le")),
    "h264 odd size": (".mkv", Clip(width=193, height=97, pix_fmt="yuv444p")),
    "h264 variable rate": (".mp4", Clip(frames=60, pts=VARIABLE_PTS)),
    "h264 variable rate in Matroska": (".mkv", Clip(frames=60, pts=VARIABLE_PTS)),
    "h264 starts at 5 s": (".mp4", Clip(pts=[5 * TICKS + 3600 * n for n in range(100)])),
    "hevc open groups": (".mkv", x265(":open-gop=1:bframes=4")),
    "hevc closed groups": (".mp4", x265(":open-gop=0")),
    "hevc temporal layers in MPEG-TS": (".ts", x265(":temporal-layers=2")),
    "hevc 10 bit": (".mp4", x265(pix_fmt="yuv420p10le")),
    "vp8": (".webm", Clip(codec="libvpx", gop=30, options={"cpu-used": "8", "lag-in-frames": "0"})),
    "vp9": (".webm", Clip(codec="libvpx-vp9", gop=30, options=VP9)),
    "vp9 in MP4": (".mp4", Clip(codec="libvpx-vp9", gop=30, options=VP9)),
    "av1": (".mp4", Clip(codec="libsvtav1", gop=30, options=AV1)),
    "av1 in Matroska": (".mkv", Clip(codec="libsvtav1", gop=30, options=AV1)),
    "mpeg1": (".mpg", Clip(codec="mpeg1video", b_frames=2)),
    "mpeg2": (".mpg", Clip(codec="mpeg2video", b_frames=2)),
    "mpeg2 in MPEG-TS": (".ts", Clip(codec="mpeg2video", b_frames=2)),
    "mpeg4": (".mp4", Clip(codec="mpeg4", b_frames=2)),
    "mpeg4 in AVI": (".avi", Clip(codec="mpeg4")),
    "mjpeg": (".avi", Clip(codec="mjpeg", pix_fmt="yuvj420p")),
    "prores": (".mov", Clip(codec="prores_ks", pix_fmt="yuv422p10le", frames=60)),
    "huffyuv": (".avi", Clip(codec="huffyuv", pix_fmt="yuv422p")),
    "one frame": (".mp4", Clip(frames=1, pts=[0])),
    "ten seconds between frames": (".mp4", Clip(frames=2, pts=[0, 10 * TICKS])),
}
# these must fall back, and still be right
WHOLE = {
    "h264 with B-frames in AVI": (".avi", Clip()),
    "h264 without container": (".h264", Clip()),
    "ffv1": (".mkv", Clip(codec="ffv1")),
    "flv1": (".flv", Clip(codec="flv")),
    "wmv2": (".asf", Clip(codec="wmv2")),
    "msmpeg4": (".avi", Clip(codec="msmpeg4")),
    "gif": (".gif", Clip(codec="gif", pix_fmt="rgb8", frames=60)),
}
RATES = ("1", "2.5", "1/3")


def assert_same(left: list[Sample], right: list[Sample]) -> None:
    assert [(s.index, s.seconds, s.pts) for s in left] == [(s.index, s.seconds, s.pts) for s in right]
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def expected_numbers(clip: Clip, fps: Fraction) -> list[int]:
    pts = clip.pts if clip.pts is not None else [n * TICKS // clip.rate for n in range(clip.frames)]
    end = pts[-1] + TICKS // clip.rate
    points = range(math.ceil(Fraction(end - pts[0], TICKS) * fps))
    return [max(n for n, stamp in enumerate(pts) if stamp - pts[0] <= k / fps * TICKS) for k in points]


def in_segments(path: Path, fps: str, seconds: int, total: int) -> list[Sample]:
    return [
        sample
        for start in range(0, math.ceil(total / Fraction(fps)) + 1, seconds)
        for sample in sample_frames(path, fps, start_seconds=start, end_seconds=start + seconds)
    ]


@pytest.mark.parametrize("name", [*SELECTIVE, *WHOLE])
def test_samples_are_exact(name: str, tmp_path: Path) -> None:
    suffix, clip = {**SELECTIVE, **WHOLE}[name]
    path = write_video(tmp_path / f"clip{suffix}", clip)
    for fps in RATES:
        whole = list(sample_frames(path, fps, selective=False))
        numbers = [read_number(sample.image) for sample in whole]
        if suffix not in (".gif",):  # GIF rounds times to hundredths of a second
            assert numbers == expected_numbers(clip, Fraction(fps))
        assert [sample.seconds for sample in whole] == [k / Fraction(fps) for k in range(len(whole))]
        assert_same(list(sample_frames(path, fps)), whole)
        assert_same(in_segments(path, fps, 2, len(whole)), whole)


@pytest.mark.parametrize("name", SELECTIVE)
def test_known_structures_are_decoded_selectively(name: str, tmp_path: Path, doubts: Callable[[], list[str]]) -> None:
    suffix, clip = SELECTIVE[name]
    list(sample_frames(write_video(tmp_path / f"clip{suffix}", clip)))
    assert doubts() == []


@pytest.mark.parametrize("name", WHOLE)
def test_unsure_structures_are_decoded_fully(name: str, tmp_path: Path, doubts: Callable[[], list[str]]) -> None:
    suffix, clip = WHOLE[name]
    list(sample_frames(write_video(tmp_path / f"clip{suffix}", clip)))
    assert len(doubts()) == 1


@pytest.fixture
def doubts(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What sample_frames says when it falls back."""
    caplog.set_level("DEBUG", logger="extractors.video.decode")
    return lambda: [record.getMessage() for record in caplog.records if "every frame" in record.getMessage()]


def test_selective_decoding_feeds_the_decoder_less(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", x264(f"{X264_PYRAMID}:keyint=48", frames=240))
    with open_media(path) as media:
        total = sum(1 for packet in media.container.demux(media.video) if packet.size)
    with open_media(path) as media:
        shown = [group.shown() for group, _ in read_groups(media, media.container.demux(media.video))]
        disposable = sum(frame.picture.disposable for frames in shown for frame in frames)
    assert total == 240
    assert disposable >= total // 2 - 10


def remuxed(tmp_path: Path, codec: str, suffix: str, **changes: object) -> Path:
    clips = {
        "h264": x264(f"keyint=25:{X264_PYRAMID}"),
        "h264 open": x264(f"open-gop=1:keyint=25:{X264_PYRAMID}"),
        "hevc open": x265(":open-gop=1:bframes=4:scenecut=0"),
        "mpeg2": Clip(codec="mpeg2video", b_frames=2),
    }
    source = write_video(tmp_path / f"source{suffix}", clips[codec])
    return remux(source, tmp_path / f"copy{suffix}", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("codec", "suffix", "skip"),
    [
        ("h264", ".mp4", 1),
        ("h264", ".mkv", 30),
        ("h264", ".ts", 10),
        ("h264 open", ".ts", 3),
        ("h264 open", ".ts", 26),
        ("hevc open", ".mkv", 30),
        ("hevc open", ".mp4", 50),
        ("hevc open", ".ts", 3),
        ("mpeg2", ".mkv", 1),
        ("mpeg2", ".mkv", 10),
    ],
)
def test_a_first_frame_that_is_not_a_key_frame(codec: str, suffix: str, skip: int, tmp_path: Path) -> None:
    path = remuxed(tmp_path, codec, suffix, skip_packets=skip)
    for fps in RATES:
        whole = list(sample_frames(path, fps, selective=False))
        assert whole
        assert_same(list(sample_frames(path, fps)), whole)
        assert_same(in_segments(path, fps, 2, len(whole)), whole)


@pytest.mark.parametrize("shift_seconds", [-1.5, -0.5, 3.0])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_edit_lists(shift_seconds: float, suffix: str, tmp_path: Path) -> None:
    path = remuxed(tmp_path, "h264", suffix, shift_ticks=round(shift_seconds * 12_800))
    whole = list(sample_frames(path, selective=False))
    first = read_number(whole[0].image)
    assert abs(first - max(0, -shift_seconds) * 25) <= 1  # what lies before time zero is cut away
    assert [read_number(sample.image) for sample in whole] == list(range(first, 100, 25))
    assert_same(list(sample_frames(path)), whole)
    assert_same(in_segments(path, "1", 2, len(whole)), whole)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".ts"), ("mpeg2video", ".mpg")])
def test_timestamps_that_restart_continue_the_clock(codec: str, suffix: str, tmp_path: Path) -> None:
    part = write_video(tmp_path / f"part{suffix}", Clip(codec=codec, b_frames=2)).read_bytes()
    path = tmp_path / f"spliced{suffix}"
    path.write_bytes(part + part)
    whole = list(sample_frames(path, selective=False))
    assert [read_number(sample.image) for sample in whole] == [0, 25, 50, 75, 0, 25, 50, 75]
    assert_same(list(sample_frames(path)), whole)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_timestamps_that_run_backwards(codec: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "source.mkv", Clip(codec=codec, b_frames=0))
    stamps = [40 * number for number in range(100)]  # milliseconds
    stamps[40], stamps[41] = stamps[41], stamps[40]
    stamps[80] = stamps[79]
    tangled = tmp_path / "tangled.mkv"
    with av.open(str(path)) as reading, av.open(str(tangled), "w") as writing:
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        for packet, stamp in zip((p for p in reading.demux(video) if p.size), stamps, strict=True):
            assert packet.dts is not None
            packet.pts, packet.dts = stamp, min(packet.dts, stamp)
            packet.stream = copy
            writing.mux(packet)
    for fps in RATES:
        whole = list(sample_frames(tangled, fps, selective=False))
        assert_same(list(sample_frames(tangled, fps)), whole)
    assert [read_number(sample.image) for sample in sample_frames(tangled)] == [0, 25, 50, 75]


def test_a_frame_that_stays_on_screen_is_decoded_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "still.mp4", Clip(frames=2, pts=[0, 10 * TICKS]))
    samples = list(sample_frames(path))
    assert [read_number(sample.image) for sample in samples] == [0] * 10 + [1]
    assert all(sample.image is samples[0].image for sample in samples[:10])


@pytest.mark.parametrize(("rotation", "quarter_turns"), [(0, 0), (90, 1), (180, 2), (270, 3), (-90, 3)])
def test_rotation_is_applied(rotation: int, quarter_turns: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", Clip(frames=30, rotation=rotation))
    sample = next(sample_frames(path))
    expected = np.rot90(picture(0, 192, 96), quarter_turns)
    assert sample.image.shape == expected.shape
    assert np.abs(sample.image.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("name", ["h264 full range", "h264 BT.709", "h264 10 bit", "h264 4:4:4", "prores"])
def test_colours_are_those_of_the_source(name: str, tmp_path: Path) -> None:
    suffix, clip = SELECTIVE[name]
    sample = next(sample_frames(write_video(tmp_path / f"clip{suffix}", clip)))
    assert np.abs(sample.image.astype(int) - picture(0, clip.width, clip.height)).mean() < 4


def test_a_file_object_gives_the_same_samples(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip())
    assert_same(list(sample_frames(io.BytesIO(path.read_bytes()))), list(sample_frames(path)))


@pytest.mark.parametrize("fps", [0, -1, "0"])
def test_an_invalid_rate_is_refused(fps: int | str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="above 0"):
        next(sample_frames(tmp_path / "unread.mp4", fps))


@pytest.mark.parametrize(
    "name", ["h264", "hevc open groups", "vp9", "mpeg2 in MPEG-TS", "h264 Matroska", "mpeg4 in AVI"]
)
def test_truncated_files_give_their_intact_part_or_a_video_error(name: str, tmp_path: Path) -> None:
    suffix, clip = SELECTIVE[name]
    data = write_video(tmp_path / f"clip{suffix}", clip).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for size in np.random.default_rng(0).integers(1, len(data), 12):
        path.write_bytes(data[:size])
        try:
            whole = list(sample_frames(path, selective=False))
        except VideoError as refusal:
            reason = refusal.message
            with pytest.raises(VideoError) as caught:
                list(sample_frames(path))
            assert str(caught.value) == reason != ""
        else:
            assert_same(list(sample_frames(path)), whole)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    cases = {
        FailureCode.MISSING: tmp_path / "missing.mp4",
        FailureCode.EMPTY: tmp_path / "empty.mp4",
        FailureCode.NOT_MEDIA: tmp_path / "text.mp4",
        FailureCode.NO_VIDEO_STREAM: tmp_path / "sound.m4a",
    }
    cases[FailureCode.EMPTY].touch()
    cases[FailureCode.NOT_MEDIA].write_text("no video at all\n" * 100)
    with av.open(str(cases[FailureCode.NO_VIDEO_STREAM]), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for code, path in cases.items():
        with pytest.raises(VideoError) as caught:
            list(sample_frames(path))
        assert caught.value.code == code


def test_absurd_dimensions_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=2))
    with pytest.raises(VideoError, match="192 x 96") as caught:
        list(sample_frames(path, max_pixels=10_000))
    assert caught.value.code == FailureCode.ABSURD_DIMENSIONS


def test_a_playlist_with_a_video_suffix_is_not_followed(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "secret.mp4", Clip(frames=5))
    for text in (f"ffconcat version 1.0\nfile {clip}\n", f"#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n"):
        path = tmp_path / "playlist.mp4"
        path.write_text(text)
        with pytest.raises(VideoError):
            list(sample_frames(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_with_keyframes_each_group_is_represented_by_its_key_frame(suffix: str, tmp_path: Path) -> None:
    """25 frames a second, a key frame every 40: at second k the picture 40 * (25 k // 40) is the key frame."""
    path = write_video(tmp_path / f"clip{suffix}", x264("keyint=40:min-keyint=40:scenecut=0:bframes=2", frames=200))
    keys = [(sample.index, read_number(sample.image)) for sample in sample_frames(path, key_frames=True)]
    assert keys == [(second, 25 * second // 40 * 40) for second in range(8)]
    later = sample_frames(path, key_frames=True, start_seconds=3, end_seconds=6)
    assert [(sample.index, read_number(sample.image)) for sample in later] == keys[3:6]


def test_with_keyframes_a_long_group_has_its_first_frame_at_every_point(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", x264("keyint=infinite:bframes=3", frames=700, width=96, height=48))
    samples = list(sample_frames(path, key_frames=True))
    assert [sample.index for sample in samples] == list(range(28))
    assert {read_number(sample.image) for sample in samples} == {0}
    assert len({id(sample.image) for sample in samples}) == 1, "one picture is embedded once"

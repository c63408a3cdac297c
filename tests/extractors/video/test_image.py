"""Frames become the pictures that were drawn, whatever their pixel format, range, matrix and size."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import av
import av.error
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter

from extractors.video.decode import sample_frames
from extractors.video.image import KNOWN_MATRICES, RgbConverter
from schemas.outcomes import FailureCode, VideoError
from tests.support.orientation import ORIENTATIONS, Orientation, with_exif, with_matrix, with_message
from tests.support.videos import Clip, picture, write_video

BT601, BT709, BT2020 = 5, 1, 9
UNSPECIFIED = 2


def drawn(
    format: str, *, width: int = 96, height: int = 48, matrix: int = BT601, full_range: bool = False
) -> VideoFrame:
    """`picture(5, …)` as a frame of `format`, tagged with what it was converted by."""
    frame = VideoFrame.from_ndarray(picture(5, width, height), format="rgb24")
    color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    converted = VideoReformatter().reformat(
        frame, format=format, dst_colorspace=matrix, dst_color_range=color_range, threads=1
    )
    converted.colorspace, converted.color_range = matrix, color_range
    return converted


def error_of(image: np.ndarray, expected: np.ndarray) -> float:
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape == expected.shape
    return float(np.abs(image.astype(int) - expected).mean())


@pytest.mark.parametrize(
    "format",
    [
        *("yuv420p", "yuv422p", "yuv444p", "yuva420p", "yuv420p10le", "yuv422p12le", "nv12", "p010le", "yuyv422"),
        *("uyvy422", "gbrp", "gbrp10le", "rgb24", "bgr24", "rgba", "bgr0", "argb", "rgb48le"),
    ],
)
def test_pixel_formats(format: str) -> None:
    is_rgb = "rgb" in format or "bgr" in format or "gbr" in format
    frame = drawn(format, matrix=0 if is_rgb else BT601, full_range=is_rgb)
    assert error_of(RgbConverter()(frame), picture(5, 96, 48)) < 8


@pytest.mark.parametrize("format", ["gray", "gray10le", "gray16le", "ya8", "monow", "monob"])
def test_formats_without_colour_give_grey(format: str) -> None:
    frame = VideoFrame.from_ndarray(picture(5, 96, 48), format="rgb24").reformat(format=format)
    image = RgbConverter()(frame)
    assert image.shape == (48, 96, 3)
    assert np.ptp(image.astype(int), axis=2).max() <= 1


@pytest.mark.parametrize("matrix", [BT601, BT709, BT2020, 4, 6, 7])
@pytest.mark.parametrize("full_range", [False, True])
def test_matrix_and_range_are_honoured(matrix: int, full_range: bool) -> None:
    frame = drawn("yuv444p", matrix=matrix, full_range=full_range)
    assert error_of(RgbConverter()(frame), picture(5, 96, 48)) < 2


@pytest.mark.parametrize("matrix", [2, 3, 8, 11, 12, 13, 14, 15, 16, 17, 200])
def test_where_no_known_matrix_is_named_bt601_is_assumed(matrix: int) -> None:
    frame = drawn("yuv444p")
    frame.colorspace = matrix
    assert error_of(RgbConverter()(frame), picture(5, 96, 48)) < 2


def test_bt2020_with_constant_luminance_is_converted_like_without() -> None:
    frame = drawn("yuv444p", matrix=BT2020)
    frame.colorspace = 10
    assert error_of(RgbConverter()(frame), picture(5, 96, 48)) < 2


@pytest.mark.parametrize("matrix", sorted(KNOWN_MATRICES))
@pytest.mark.parametrize("format", ["yuv420p", "gbrp"])
def test_any_tags_can_be_converted(matrix: int, format: str) -> None:
    converter = RgbConverter()
    for primaries in (*range(24), 200):
        for transfer in (0, 1, 2, 3, 8, 13, 14, 17, 19, 100):
            frame = VideoFrame(16, 8, format)
            frame.colorspace, frame.color_primaries, frame.color_trc = matrix, primaries, transfer
            assert converter(frame).shape == (8, 16, 3)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (3, 5), (97, 49), (4096, 2), (2, 4096)])
@pytest.mark.parametrize("format", ["yuv420p", "rgb24"])
def test_odd_sizes(width: int, height: int, format: str) -> None:
    frame = VideoFrame(width, height, format)
    assert RgbConverter()(frame).shape == (height, width, 3)


def test_one_converter_handles_changing_sizes_and_formats() -> None:
    converter = RgbConverter()
    for format, width, height in [("yuv420p", 96, 48), ("yuv444p", 48, 96), ("rgb24", 96, 48), ("yuv420p", 96, 48)]:
        is_rgb = format == "rgb24"
        frame = drawn(format, width=width, height=height, matrix=0 if is_rgb else BT601, full_range=is_rgb)
        assert error_of(converter(frame), picture(5, width, height)) < 8


@pytest.mark.parametrize("transfer", [ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67])
def test_high_dynamic_range_is_mapped_to_standard_range(transfer: ColorTrc) -> None:
    # What PQ codes at about half its range is ordinary white: it must come out bright, and in order.
    ramp = np.repeat(np.linspace(64, 720, 64).astype(np.uint16)[None], 16, axis=0)
    frame = VideoFrame.from_ndarray(ramp, format="gray10le").reformat(format="yuv420p10le")
    frame.color_trc, frame.color_primaries, frame.colorspace = transfer, ColorPrimaries.BT2020, BT2020
    frame.color_range = ColorRange.MPEG
    image = RgbConverter()(frame).astype(int)
    plain = frame.reformat(format="rgb24").to_ndarray().astype(int)
    grey = image.mean(axis=(0, 2))
    assert np.ptp(image, axis=2).max() <= 3
    assert (np.diff(grey) >= -1).all()
    assert grey[0] <= 8
    assert grey[-8:].mean() > plain.mean(axis=(0, 2))[-8:].mean() - 20
    assert np.abs(grey - plain.mean(axis=(0, 2))).max() > 10


@pytest.mark.parametrize("primaries", [0, 13, 200])
def test_high_dynamic_range_with_reserved_primaries_is_read_as_bt2020(primaries: int) -> None:
    def tagged(number: int) -> VideoFrame:
        frame = drawn("yuv420p10le", width=16, height=8, matrix=BT2020)
        frame.color_trc, frame.color_primaries = ColorTrc.SMPTE2084, number
        return frame

    np.testing.assert_array_equal(RgbConverter()(tagged(primaries)), RgbConverter()(tagged(ColorPrimaries.BT2020)))


def images_of(path: Path, *, selective: bool = True, start_seconds: int = 0) -> list[np.ndarray]:
    return [sample.image for sample in sample_frames(path, selective=selective, start_seconds=start_seconds)]


def check_shown(path: Path, plain: Path, orientation: Orientation) -> None:
    """All pictures are those of `plain` in `orientation`, however they are reached."""
    expected = [orientation.shown(image) for image in images_of(plain)]
    assert len(expected) == 3
    for start in (0, 2):
        for selective in (True, False):
            found = images_of(path, selective=selective, start_seconds=start)
            np.testing.assert_array_equal(found, expected[start:])
            assert all(image.flags.c_contiguous for image in found)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three seconds, by codec, in which the pictures of the second and the third are no key frames."""
    folder = tmp_path_factory.mktemp("plain")
    hevc = {"x265-params": "log-level=none:keyint=30:min-keyint=30:open-gop=0:bframes=2"}
    return {
        "h264": write_video(folder / "h264.mp4", Clip(frames=75, width=96, height=48, gop=30, b_frames=2)),
        "hevc": write_video(folder / "hevc.mp4", Clip("libx265", 75, width=96, height=48, options=hevc)),
    }


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_the_display_matrix_is_applied(name: str, plain: dict[str, Path], tmp_path: Path) -> None:
    orientation = ORIENTATIONS[name]
    path = with_matrix(plain["h264"], tmp_path / "turned.mp4", orientation.matrix)
    check_shown(path, plain["h264"], orientation)


def test_no_frame_is_kept_that_has_been_converted(plain: dict[str, Path]) -> None:
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in sample_frames(str(plain["h264"]), fps=25)) == 75
        assert not any(isinstance(each, VideoFrame) for each in gc.get_objects())
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("everywhere", [True, False], ids=["all pictures", "key frames"])
def test_the_streams_own_orientation_is_applied(
    name: str, codec: str, everywhere: bool, plain: dict[str, Path], tmp_path: Path
) -> None:
    orientation = ORIENTATIONS[name]
    path = with_message(plain[codec], tmp_path / "turned.mp4", orientation, everywhere=everywhere)
    check_shown(path, plain[codec], orientation)


@pytest.mark.parametrize(
    ("number", "name"), [(1, "upright"), (3, "upside down"), (6, "turned right"), (8, "turned left")]
)
def test_the_turns_of_motion_jpeg_are_applied(number: int, name: str, tmp_path: Path) -> None:
    clip = Clip("mjpeg", 75, width=96, height=48, pix_fmt="yuvj420p")
    plain = write_video(tmp_path / "plain.mkv", clip)
    check_shown(with_exif(plain, tmp_path / "turned.mkv", number), plain, ORIENTATIONS[name])


def test_an_orientation_ends_with_a_key_frame_without_one(plain: dict[str, Path], tmp_path: Path) -> None:
    turned = with_message(plain["h264"], tmp_path / "turned.mp4", ORIENTATIONS["turned left"], everywhere=False)
    converter, sizes = RgbConverter(), []
    for path in (turned, plain["h264"]):
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                converter.follow(frame)
                sizes.append(converter(frame).shape[:2])
    assert sizes == [(96, 48)] * 75 + [(48, 96)] * 75


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (2, 1, -1, 2), (-(1 << 15), 0, 0, -(1 << 15))])
def test_any_matrix_is_taken_for_the_nearest_orientation(
    matrix: tuple[int, int, int, int], plain: dict[str, Path], tmp_path: Path
) -> None:
    path = with_matrix(plain["h264"], tmp_path / "turned.mp4", matrix)
    check_shown(path, plain["h264"], ORIENTATIONS["upside down" if matrix[0] < 0 else "upright"])


def test_threads_do_not_share_an_hdr_converter() -> None:
    images: list[np.ndarray] = []

    def convert() -> None:
        frame = drawn("yuv420p10le", width=16, height=8, matrix=BT2020)
        frame.color_trc, frame.color_primaries = ColorTrc.ARIB_STD_B67, ColorPrimaries.BT2020
        images.append(RgbConverter()(frame))

    threads = [threading.Thread(target=convert) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(images[0], images[1])


def test_a_pixel_format_that_cannot_be_converted_is_named() -> None:
    with pytest.raises(VideoError, match="pixel format y210be, not convertible to RGB") as caught:
        RgbConverter()(VideoFrame(16, 8, "y210be"))
    assert caught.value.code == FailureCode.UNSUPPORTED_CODEC
    assert isinstance(caught.value.__cause__, av.error.FFmpegError)

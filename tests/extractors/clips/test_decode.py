"""Clips hold the very frames that they should, and selective decoding gives them to the bit."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.clips import decode
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.flow.fields import flow_fields
from schemas.clips import UNIT, ClipFormat
from schemas.outcomes import FailureCode, VideoError
from tests.support.damage import DAMAGES
from tests.support.videos import TICKS, Clip, read_number, write_video

B_FRAMES = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-pyramid=normal:b-adapt=0"}
OPEN = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-pyramid=normal:b-adapt=0:open-gop=1"}
UNEVEN = np.cumsum(np.random.default_rng(3).integers(1, 12, 200) * 1800).tolist()
CLIPS = {
    "h264": (".mp4", Clip(frames=200, options=B_FRAMES)),
    "h264 in Matroska": (".mkv", Clip(frames=200, options=B_FRAMES, rate=30)),
    "h264 in MPEG-TS": (".ts", Clip(frames=200, options=B_FRAMES)),
    "h264 in AVI": (".avi", Clip(frames=200, options=B_FRAMES)),
    "h264 open": (".mp4", Clip(frames=200, options=OPEN)),
    "h264 fragmented": (
        ".mp4",
        Clip(frames=200, options=B_FRAMES, container_options={"movflags": "empty_moov+frag_keyframe"}),
    ),
    "h264 of variable rate": (".mp4", Clip(frames=200, options=B_FRAMES, pts=UNEVEN)),
    "h264 of variable rate in Matroska": (".mkv", Clip(frames=200, options=OPEN, pts=UNEVEN)),
    "mpeg4 in AVI": (".avi", Clip("mpeg4", 200, gop=12)),
    "mpeg2": (".mpg", Clip("mpeg2video", 200, b_frames=2, gop=12)),
    "vp9": (".webm", Clip("libvpx-vp9", 200, gop=25, options={"cpu-used": "8", "lag-in-frames": "16"})),
}


def form(frames: int, fps: str | None = None, **changes: Any) -> ClipFormat:
    sizes: dict[str, Any] = {"height": 96, "width": 192, "resize": (96, 192)} | changes
    return ClipFormat(frames=frames, fps=fps, **sizes, **UNIT)


def numbers(clips: NDArray[np.uint8]) -> list[list[int]]:
    return [[read_number(image) for image in clip] for clip in clips]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: write_video(folder / f"{number}{suffix}", clip)
        for number, (name, (suffix, clip)) in enumerate(CLIPS.items())
    }


@pytest.mark.parametrize("name", CLIPS)
def test_the_central_frames_are_consecutive(name: str, videos: dict[str, Path]) -> None:
    assert numbers(decode_clips(videos[name], form(16), ClipSampling())) == [list(range(92, 108))]
    assert numbers(decode_clips(videos[name], form(5), ClipSampling())) == [list(range(97, 102))]


@pytest.mark.parametrize("name", [name for name, (_, clip) in CLIPS.items() if clip.pts is None])
def test_the_videos_own_rate_as_a_number_gives_the_same(name: str, videos: dict[str, Path]) -> None:
    rate = str(CLIPS[name][1].rate)
    assert numbers(decode_clips(videos[name], form(16, rate), ClipSampling())) == [list(range(92, 108))]


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("fps", [None, "12.5", *(pytest.param(fps, marks=pytest.mark.heavy) for fps in ("5", "60"))])
def test_selective_and_full_decoding_give_the_same_clips(name: str, fps: str | None, videos: dict[str, Path]) -> None:
    for sampling in (
        ClipSampling(views=3),
        ClipSampling(placement="equal", views=2),
        ClipSampling(placement="start", start_seconds=3.3),
        ClipSampling(placement="random", views=2, speed=(0.5, 3.0), random_crop=True),
    ):
        small = form(8, fps, resize=(64,), height=56, width=56)
        selective, whole = (decode_clips(videos[name], small, sampling, seed=7, selective=way) for way in (True, False))
        np.testing.assert_array_equal(selective, whole)


@pytest.mark.parametrize("name", [name for name in CLIPS if name != "h264 in AVI"])
def test_clips_are_decoded_selectively(name: str, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(decode, "fully_decoded_clips")
    decode_clips(videos[name], form(8), ClipSampling(views=2))


def on_screen(pts: list[int], seconds: float) -> int:
    """By the simplest means there is."""
    return max(number for number, stamp in enumerate(pts) if stamp - pts[0] <= seconds * TICKS)


@pytest.mark.parametrize("name", [name for name in CLIPS if "variable" in name])
def test_frames_of_a_variable_rate_are_selected_by_time(name: str, videos: dict[str, Path]) -> None:
    sampling = ClipSampling(placement="start", start_seconds=2)
    assert numbers(decode_clips(videos[name], form(20, "7"), sampling)) == [
        [on_screen(UNEVEN, 2 + number / 7) for number in range(20)]
    ]
    (equal,) = numbers(decode_clips(videos[name], form(10), ClipSampling(placement="equal")))
    seconds = (UNEVEN[-1] - UNEVEN[0]) / TICKS
    assert all(abs(number - on_screen(UNEVEN, seconds * (place + 0.5) / 10)) <= 1 for place, number in enumerate(equal))


def test_equal_frames_of_a_constant_rate(videos: dict[str, Path]) -> None:
    assert numbers(decode_clips(videos["h264"], form(10), ClipSampling(placement="equal"))) == [
        list(range(10, 200, 20))
    ]


def test_clips_of_a_given_rate_and_start(videos: dict[str, Path]) -> None:
    sampling = ClipSampling(placement="start", start_seconds=2)
    assert numbers(decode_clips(videos["h264"], form(6, "5"), sampling)) == [list(range(50, 80, 5))]
    assert numbers(decode_clips(videos["h264"], form(6), sampling)) == [list(range(50, 56))]


def test_a_part_of_a_video(videos: dict[str, Path]) -> None:
    for name in ("h264", "h264 in Matroska", "mpeg4 in AVI"):
        rate = CLIPS[name][1].rate
        part = numbers(decode_clips(videos[name], form(8), ClipSampling(), start_seconds=2, end_seconds=4))
        assert part == [list(range(3 * rate - 4, 3 * rate + 4))]
        (wide,) = numbers(decode_clips(videos[name], form(8, "4"), ClipSampling(), start_seconds=2, end_seconds=4))
        assert wide == [2 * rate + number * rate // 4 for number in range(8)]
    beyond = decode_clips(videos["h264"], form(4), ClipSampling(), start_seconds=100, end_seconds=110)
    assert numbers(beyond) == [[199] * 4]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("fps", [None, "25"])
def test_clips_of_short_videos_are_looped_or_padded(suffix: str, frames: int, fps: str | None, tmp_path: Path) -> None:
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = write_video(tmp_path / f"short{suffix}", Clip(codec, frames))
    loop = numbers(decode_clips(path, form(12, fps), ClipSampling(short="loop")))
    assert loop == [[number % frames for number in range(12)]]
    pad = numbers(decode_clips(path, form(12, fps), ClipSampling(short="pad", views=2)))
    assert pad == [[min(number, frames - 1) for number in range(12)]] * 2


def test_three_crops_lie_side_by_side(videos: dict[str, Path]) -> None:
    whole = decode_clips(videos["h264"], form(4), ClipSampling(views=2))
    crops = decode_clips(videos["h264"], form(4, width=96), ClipSampling(views=2, crops=3))
    assert crops.shape == (6, 4, 96, 96, 3)
    for view in range(2):
        for crop, left in enumerate((0, 48, 96)):
            np.testing.assert_array_equal(crops[3 * view + crop], whole[view, :, :, left : left + 96])


def test_a_random_crop_is_the_same_for_all_frames(videos: dict[str, Path]) -> None:
    whole = decode_clips(videos["h264"], form(4), ClipSampling())
    places = set()
    for seed in range(6):
        (crop,) = decode_clips(videos["h264"], form(4, height=40, width=50), ClipSampling(random_crop=True), seed=seed)
        found = [
            (top, left)
            for top in range(57)
            for left in range(143)
            if np.array_equal(crop, whole[0, :, top : top + 40, left : left + 50])
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) == 6


def test_a_file_object_gives_the_same_clips(videos: dict[str, Path]) -> None:
    for name in ("h264", "h264 in MPEG-TS", "h264 in AVI"):
        with io.BytesIO(videos[name].read_bytes()) as file:
            clips = decode_clips(file, form(16), ClipSampling())
        np.testing.assert_array_equal(clips, decode_clips(videos[name], form(16), ClipSampling()))


def test_damaged_frames_are_replaced_by_the_nearest_intact_one(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "clip.mp4", Clip(frames=100, options={"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0"})
    )
    content = bytearray(path.read_bytes())
    packets = clip_packets(path)
    for number in range(45, 50):  # all of what is left of a group
        start, size = packets[number]
        content[start + 4 : start + size] = np.random.default_rng(number).bytes(size - 4)
    path.write_bytes(content)
    (found,) = numbers(decode_clips(path, form(20, "25"), ClipSampling()))
    assert found[:5] == [40, 41, 42, 43, 44]
    assert found[10:] == list(range(50, 60))
    assert found[5:10] == [44, 44, 44, 50, 50]


def clip_packets(path: Path) -> list[tuple[int, int]]:
    import av

    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size and packet.pos]


def test_a_video_without_a_frame_is_refused(tmp_path: Path, videos: dict[str, Path]) -> None:
    with pytest.raises(VideoError) as refusal:
        decode_clips(tmp_path / "none.mp4", form(4), ClipSampling())
    assert refusal.value.code is FailureCode.MISSING
    path = tmp_path / "noise.mp4"
    content = bytearray(videos["h264"].read_bytes())
    for start, size in clip_packets(videos["h264"]):
        content[start : start + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(VideoError) as refusal:
        decode_clips(path, form(4), ClipSampling())
    assert refusal.value.code is FailureCode.NO_DECODABLE_FRAME


def flow_form(channels: int, **changes: Any) -> ClipFormat:
    return replace(form(6, "25"), flow="dis", mean=(0.5,) * channels, std=(0.5,) * channels, **changes)


@pytest.mark.parametrize("name", ["h264", "vp9"])
def test_flow_is_that_from_a_frame_to_the_next(name: str, videos: dict[str, Path]) -> None:
    rgb = decode_clips(videos[name], form(7, "25"), ClipSampling(placement="start", start_seconds=1))
    sampling = ClipSampling(placement="start", start_seconds=1)
    flow = decode_clips(videos[name], flow_form(2), sampling)
    assert flow.shape == (1, 6, 96, 192, 2)
    expected = flow_fields(list(pairwise(rgb[0])), "dis")
    np.testing.assert_array_equal(flow[0], np.stack(expected))
    both = decode_clips(videos[name], flow_form(5), sampling)
    np.testing.assert_array_equal(both, np.concatenate([rgb[:, :6], flow], axis=4))
    np.testing.assert_array_equal(both, decode_clips(videos[name], flow_form(5), sampling, selective=False))


def test_the_last_frame_shows_the_motion_that_led_to_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mp4", Clip(frames=4))
    flow, looped = (decode_clips(path, replace(flow_form(2), frames=frames), ClipSampling())[0] for frames in (4, 8))
    np.testing.assert_array_equal(flow[3], flow[2])
    assert not np.array_equal(flow[1], flow[2])
    np.testing.assert_array_equal(looped, np.concatenate([flow, flow]))


def test_flow_is_cropped_as_rgb(videos: dict[str, Path]) -> None:
    whole = decode_clips(videos["h264"], flow_form(5), ClipSampling())
    crops = decode_clips(videos["h264"], flow_form(5, width=96), ClipSampling(crops=3))
    for crop, left in enumerate((0, 48, 96)):
        np.testing.assert_array_equal(crops[crop], whole[0, :, :, left : left + 96])


def test_flow_of_no_method_is_refused(videos: dict[str, Path]) -> None:
    flow = ClipFormat(frames=4, height=96, width=192, resize=(96, 192), fps=None, mean=(0.5, 0.5), std=(0.5, 0.5))
    with pytest.raises(ValueError, match="2 channels"):
        decode_clips(videos["h264"], flow, ClipSampling())


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["h264", "h264 in Matroska", "h264 in MPEG-TS", "mpeg4 in AVI", "vp9"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_gives_clips_or_a_video_error(
    name: str, damage: Callable[[bytes, np.random.Generator], bytes], videos: dict[str, Path]
) -> None:
    content = videos[name].read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(10):
        damaged = damage(content, rng)
        for selective in (True, False):
            try:
                clips = decode_clips(io.BytesIO(damaged), form(4, "5"), ClipSampling(views=2), selective=selective)
            except VideoError:
                continue
            assert clips.shape == (2, 4, 96, 192, 3)

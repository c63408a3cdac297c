"""Windows lie where they should, hold the frames of single clips to the bit, and cost one pass and little memory."""

from __future__ import annotations

import io
import weakref
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.clips import decode, frame_times, windows
from extractors.clips.decode import ClipRequest, decode_clips
from extractors.clips.frame_times import list_times
from extractors.clips.sampling import ClipSampling
from extractors.clips.windows import WindowRequest, decode_windows
from extractors.video import groups
from extractors.video.groups import CodedFrame
from extractors.video.media import open_media
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, VideoError
from tests.extractors.clips.test_decode import B_FRAMES, CLIPS, clip_packets, form
from tests.support.recordings import JOINABLE, join, write_recording
from tests.support.videos import TICKS, Clip, read_number, write_video

MORE = {
    "flv1": (".flv", Clip("flv1", 200, gop=12)),
    "h264 in FLV": (".flv", Clip(frames=200, options=B_FRAMES)),
    "h264 in QuickTime": (".mov", Clip(frames=200, options=B_FRAMES)),
}
VIDEOS = CLIPS | MORE
START = ClipSampling(placement="start")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: write_video(folder / f"{number}{suffix}", clip)
        for number, (name, (suffix, clip)) in enumerate(VIDEOS.items())
    }


def found(source: object, clip_format: ClipFormat, **options: Any) -> dict[int, NDArray[np.uint8]]:
    """The windows by their steps; each step comes once, and in order."""
    pairs = list(decode_windows(source, clip_format, **{"step_seconds": 1, **options}))  # type: ignore[arg-type]
    assert [step for step, _ in pairs] == sorted({step for step, _ in pairs})
    return dict(pairs)


def numbers(source: object, clip_format: ClipFormat, **options: Any) -> dict[int, list[int]]:
    return {step: list(map(read_number, clip)) for step, clip in found(source, clip_format, **options).items()}


@pytest.mark.parametrize("channels", [2, 5])
def test_windows_of_flow_are_single_clips_in_segments_as_well(channels: int, videos: dict[str, Path]) -> None:
    half = (0.5,) * channels
    clip_format = replace(form(frames=8, fps="10"), mean=half, std=half, flow="dis")
    path = videos["h264 in QuickTime"]
    windows = found(path, clip_format)
    parts = found(path, clip_format, stop_seconds=3) | found(path, clip_format, first_seconds=3)
    assert list(parts) == list(windows)
    for step, start in starts_of(path, clip_format, Fraction(1)).items():
        (expected,) = decode_clips(path, clip_format, START, start_seconds=start)
        assert expected.shape[-1] == channels
        np.testing.assert_array_equal(windows[step], expected)
        np.testing.assert_array_equal(parts[step], expected)


def starts_of(path: Path, clip_format: ClipFormat, step_seconds: Fraction) -> dict[int, Fraction]:
    """The starts of all windows, by the timestamps of all frames."""
    clips = ClipRequest(clip_format, START, 0, Fraction(0), None)
    request = WindowRequest(clips=clips, step_seconds=step_seconds, first_seconds=Fraction(0), stop_seconds=None)
    with open_media(path) as media:
        assert media.video.time_base is not None
        return dict(request.starts(list_times(media), media.video.time_base))


@pytest.mark.parametrize("name", ["h264", "h264 in Matroska", "h264 in MPEG-TS", "h264 in AVI", "flv1", "vp9"])
@pytest.mark.parametrize("fps", [None, "rate"])
def test_the_middle_of_a_window_is_that_of_its_step(name: str, fps: str | None, videos: dict[str, Path]) -> None:
    rate = VIDEOS[name][1].rate
    windows = numbers(videos[name], form(10, fps and str(rate)))
    assert len(windows) == -(-200 // rate)
    for step, frames in windows.items():
        # By integers: the middle of the step, half a window earlier, moved into the video.
        first = min(max((2 * step + 1) * rate // 2 - 5, 0), 190)
        assert frames == list(range(first, first + 10))


@pytest.mark.parametrize("name", [name for name in VIDEOS if name not in ("h264 in AVI", "flv1")])
@pytest.mark.parametrize("fps", [None, "12.5", pytest.param("7", marks=pytest.mark.heavy)])
def test_a_window_is_the_clip_of_its_start(
    name: str, fps: str | None, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, small = videos[name], form(16, fps, resize=(64,), height=56, width=56)
    starts = starts_of(path, small, Fraction(3, 2))
    monkeypatch.delattr(windows, "fully_decoded_clips")
    seen = found(path, small, step_seconds=1.5)
    assert list(seen) == list(starts)
    assert len(seen) >= 5
    for step, start in starts.items():
        np.testing.assert_array_equal(seen[step], decode_clips(path, small, START, start_seconds=start)[0])


@pytest.mark.parametrize("name", ["h264", "h264 in AVI", "h264 of variable rate in Matroska"])
def test_decoding_every_frame_gives_the_same_windows(name: str, videos: dict[str, Path]) -> None:
    for fps in (None, "12.5"):
        selective, whole = (found(videos[name], form(16, fps), selective=way) for way in (True, False))
        assert list(selective) == list(whole)
        for step, clip in selective.items():
            np.testing.assert_array_equal(clip, whole[step])


@pytest.mark.parametrize("name", ["h264", "h264 open", "vp9", "h264 of variable rate in Matroska"])
@pytest.mark.parametrize("fps", [None, "12.5"])
def test_windows_of_long_videos(
    name: str, fps: str | None, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long is what is longer than two seconds: the timestamps of most frames are not read then."""
    small = form(8, fps, resize=(64,), height=56, width=56)
    listed = found(videos[name], small, step_seconds=0.5)
    monkeypatch.setattr(frame_times, "LISTED_SECONDS", 2)
    monkeypatch.setattr(windows, "LISTED_SECONDS", 2)
    monkeypatch.delattr(windows, "fully_decoded_clips")
    long = found(videos[name], small, step_seconds=0.5)
    assert list(long) == list(listed)
    if fps is not None or "variable" not in name:
        for step, clip in long.items():
            np.testing.assert_array_equal(clip, listed[step])
    starts = starts_of(videos[name], small, Fraction(1, 2))
    for step in (0, 3, len(listed) - 1) if "variable" not in name else ():
        (alone,) = decode_clips(videos[name], small, START, start_seconds=starts[step])
        np.testing.assert_array_equal(long[step], alone)


def test_the_last_windows_of_a_variable_rate_are_the_last_frames(videos: dict[str, Path]) -> None:
    pts = VIDEOS["h264 of variable rate"][1].pts
    assert pts is not None
    shown = numbers(videos["h264 of variable rate"], form(40))
    assert shown[len(shown) - 1] == list(range(160, 200))
    frame_seconds = (pts[-1] - pts[0]) / TICKS / 199
    for step in range(3, len(shown) - 3):
        assert shown[step] == list(range(shown[step][0], shown[step][0] + 40))
        middle = (pts[shown[step][20]] - pts[0]) / TICKS
        assert abs(middle - step - 0.5) < 10 * frame_seconds  # half a window at the average rate is 20 frames


@pytest.mark.parametrize("name", ["h264", "h264 in MPEG-TS", "h264 in Matroska"])
@pytest.mark.parametrize("fps", [None, "10"])
def test_segments_give_the_windows_of_the_whole(name: str, fps: str | None, videos: dict[str, Path]) -> None:
    whole = found(videos[name], form(12, fps), step_seconds=0.75)
    parts: dict[int, NDArray[np.uint8]] = {}
    for first, stop in ((0, 3), (3, 4), (4, 5), (5, None), (9, None)):
        part = found(videos[name], form(12, fps), step_seconds=0.75, first_seconds=first, stop_seconds=stop)
        assert not part.keys() & parts.keys()
        parts |= part
    assert sorted(parts) == list(whole)
    for step, clip in whole.items():
        np.testing.assert_array_equal(clip, parts[step])


def test_windows_stay_within_the_part_of_a_video_that_is_wanted(videos: dict[str, Path]) -> None:
    for fps in (None, "25"):
        part = numbers(videos["h264"], form(30, fps), start_seconds=2, end_seconds=5)
        assert part == {
            2: list(range(50, 80)),
            3: list(range(72, 102)),
            4: list(range(95, 125)),
        }
    assert numbers(videos["h264"], form(10), start_seconds=20) == {}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
@pytest.mark.parametrize("fps", [None, "25"])
def test_videos_shorter_than_a_window_are_looped_or_padded(suffix: str, fps: str | None, tmp_path: Path) -> None:
    for frames in (1, 30):
        codec = "mpeg4" if suffix == ".avi" else "libx264"
        path = write_video(tmp_path / f"{frames}{suffix}", Clip(codec, frames))
        steps = range(-(-frames // 25))
        loop = numbers(path, form(40, fps))
        assert loop == {step: [number % frames for number in range(40)] for step in steps}
        pad = numbers(path, form(40, fps), short="pad")
        assert pad == {step: [min(number, frames - 1) for number in range(40)] for step in steps}


@pytest.mark.parametrize("selective", [True, False])
def test_steps_may_be_shorter_than_the_ticks_of_a_container(selective: bool, videos: dict[str, Path]) -> None:
    """AVI counts frames: a step of a hundredth of a second is a quarter of that."""
    part = {"step_seconds": Fraction(1, 100), "end_seconds": Fraction(1, 10)}
    seen = numbers(videos["mpeg4 in AVI"], form(1, "25"), **part, selective=selective)
    assert seen == {step: [max(2 * step - 3, 0) // 8] for step in range(10)}


def test_windows_far_apart_are_reached_by_seeking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=2", "preset": "ultrafast"}
    path = write_video(tmp_path / "long.mp4", Clip(frames=600, rate=5, options=options))
    read = counted_packets(monkeypatch)
    shown = numbers(path, form(4, "5"), step_seconds=40)
    assert shown == {step: list(range(200 * step + 98, 200 * step + 102)) for step in range(3)}
    assert len(read) < 150


@pytest.mark.parametrize(
    ("name", "fps", "limit"),
    [
        # Once for the times and once for the frames.
        *(("h264 in MPEG-TS", fps, 400) for fps in (None, "25")),
        # Once for the frames and, where these are counted, once for the times; the rest are groups at both ends.
        ("h264", "25", 300),
        ("h264", None, 600),
    ],
)
def test_each_packet_is_read_once_or_twice(
    name: str, fps: str | None, limit: int, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 packets, for 80 windows; long is what is longer than two seconds."""
    monkeypatch.setattr(frame_times, "LISTED_SECONDS", 2)
    monkeypatch.setattr(windows, "LISTED_SECONDS", 2)
    read = counted_packets(monkeypatch)
    assert len(found(videos[name], form(16, fps), step_seconds=0.1)) == 80
    assert len(read) <= limit


def counted_packets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    read_packet = groups._coded_frame
    read: list[int] = []

    def count_packet(number: int, packet: Any, *rest: Any) -> CodedFrame:
        read.append(packet.size)
        return read_packet(number, packet, *rest)

    monkeypatch.setattr(groups, "_coded_frame", count_packet)
    return read


@pytest.mark.parametrize("way", ["selective", "full"])
def test_frames_are_kept_for_the_windows_that_overlap_alone(
    way: str, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    resize = decode.resized
    kept: list[weakref.ref[NDArray[np.uint8]]] = []
    most = 0

    def watched(image: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
        nonlocal most
        result = resize(image, size).copy()
        kept.append(weakref.ref(result))
        most = max(most, sum(one() is not None for one in kept))
        return result

    monkeypatch.setattr(decode, "resized", watched)
    for _ in decode_windows(videos["h264"], form(16), step_seconds=0.2, selective=way == "selective"):
        pass
    assert len(kept) == 200
    assert most <= 16 + 2


def damaged(path: Path, lost: range, intact_bytes: int = 4) -> Path:
    """An MP4 of 100 frames in groups of ten, with noise in some packets after their first bytes."""
    options = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0"}
    write_video(path, Clip(frames=100, options=options))
    content = bytearray(path.read_bytes())
    packets = clip_packets(path)
    for number in lost:
        start, size = packets[number]
        content[start + intact_bytes : start + size] = np.random.default_rng(number).bytes(size - intact_bytes)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("fps", [None, "25", "10"])
def test_in_a_damaged_file_windows_are_those_of_single_clips_too(fps: str | None, tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mp4", range(45, 50))
    seen = found(path, form(20, fps), step_seconds=0.2)
    assert list(seen) == [*range(9), *range(10, 20)]  # step 9 is lost
    for step, clip in seen.items():
        length = 20 / Fraction(fps) if fps else Fraction(20 * 4, 95)
        start = min(max(Fraction(2 * step + 1, 10) - length / 2, Fraction(0)), 4 - length)
        if fps is None and start == 4 - length:
            start = Fraction(80, 25)  # of the last 20 frames
        (alone,) = decode_clips(path, form(20, fps), START, start_seconds=start, selective=False)
        np.testing.assert_array_equal(clip, alone)


def test_a_step_that_shows_no_intact_frame_has_no_window(tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mp4", range(40, 60))
    for fps in (None, "25"):
        assert list(found(path, form(8, fps), step_seconds=0.4)) == [0, 1, 2, 3, 6, 7, 8, 9]
        assert list(found(path, form(8, fps), step_seconds=0.4, first_seconds=2)) == [6, 7, 8, 9]
    assert list(found(path, form(8, "25"), step_seconds=1)) == [0, 1, 2, 3]  # seconds 1 and 2 are intact in part


def test_windows_before_the_damage_come_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were given before it was met, and are not given again by the pass that decodes every frame."""
    path = damaged(tmp_path / "clip.mp4", range(75, 80), intact_bytes=100)  # the headers tell nothing
    given: list[int] = []
    whole = windows.fully_decoded_clips

    def watched(*args: Any) -> Any:
        for number, clip in whole(*args):
            given.append(number)
            yield number, clip

    monkeypatch.setattr(windows, "fully_decoded_clips", watched)
    steps = list(found(path, form(5, "25"), step_seconds=0.2))
    assert steps == [*range(15), *range(16, 20)]
    assert 0 < len(given) < 10
    assert given == steps[-len(given) :]


@pytest.mark.parametrize("suffix", [".flv", ".mkv"])
def test_files_joined_end_to_end_have_windows_to_the_last(suffix: str, tmp_path: Path) -> None:
    part = write_recording(tmp_path / f"part{suffix}", JOINABLE[suffix])
    joined = join(tmp_path / f"joined{suffix}", part, part)
    alone = found(part, form(4, "5"))
    both = found(joined, form(4, "5"))
    assert len(both) >= 2 * len(alone) - 1
    with io.BytesIO(joined.read_bytes()) as file:
        assert list(found(file, form(4, "5"))) == list(both)


def test_a_file_object_gives_the_same_windows(videos: dict[str, Path]) -> None:
    for name in ("h264", "h264 in MPEG-TS", "h264 in AVI"):
        with io.BytesIO(videos[name].read_bytes()) as file:
            assert numbers(file, form(16)) == numbers(videos[name], form(16))


def test_what_cannot_be_decoded_is_refused(tmp_path: Path, videos: dict[str, Path]) -> None:
    with pytest.raises(VideoError) as refusal:
        found(tmp_path / "none.mp4", form(4))
    assert refusal.value.code is FailureCode.MISSING
    flow = ClipFormat(frames=4, height=96, width=192, resize=(96, 192), fps=None, mean=(0.5, 0.5), std=(0.5, 0.5))
    with pytest.raises(ValueError, match="2 channels"):
        found(videos["h264"], flow)


def test_more_windows_than_memory_holds_are_refused(videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_WINDOWS", 7)
    with pytest.raises(
        VideoError, match=r"it lasts 8 s, 8 steps of 1 s in one piece; the limit is 7\. .*--stride"
    ) as refusal:
        found(videos["h264"], form(4))
    assert refusal.value.code is FailureCode.TOO_LONG
    assert list(found(videos["h264"], form(4), first_seconds=1)) == list(range(1, 8))

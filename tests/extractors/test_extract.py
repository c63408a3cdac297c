"""A segment's features, with real networks on seeded weights: whole and in parts, with and without sound."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.extract import Extractor
from extractors.features import SegmentFeatures, merge_segments
from extractors.sampling import SamplingConfig
from extractors.segments import Segment
from extractors.video.decode import sample_frames
from extractors.video.waveform import RATE_HZ, Waveform
from extractors.weights.resolve import resolve_weights
from schemas.features import AUDIO_DIM, FeatureRow
from schemas.outcomes import FailureCode, VideoError
from schemas.quantization import quantize
from schemas.videos import Video
from tests.support.claims import long_avi, long_mp4
from tests.support.memory import memory_growth
from tests.support.recordings import join
from tests.support.sounds import Track, write_with_sound
from tests.support.videos import TICKS, Clip, write_video

CODES = {"frame_features": True}
VIDEOS = Path(__file__).resolve().parents[1] / "fixtures" / "videos"


class CountingEmbedder(FrameEmbedder):
    """Knows how many frames it was given."""

    count = 0

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return super().embed_stream(self._counted(frames))

    def _counted(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        for frame in frames:
            self.count += 1
            yield frame


class Brightness(FrameEmbedder):
    """Takes the mean of a picture for its embedding, which costs less than a network."""

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return np.array([np.full(self.dim, frame.mean(), np.float32) for frame in frames])


class FirstSamples(AudioEmbedder):
    """Takes the first samples of a window for its embedding; knows how many windows it was given at a time."""

    def __init__(self, config: AudioEmbedderConfig) -> None:
        super().__init__(config)
        self.counts: list[int] = []

    def embed_stream(self, blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        rows = np.concatenate([np.zeros((0, self.dim), np.float32), *(block[:, : self.dim] for block in blocks)])
        self.counts.append(len(rows))
        return rows


@pytest.fixture(scope="module")
def frames() -> CountingEmbedder:
    weights, pca = resolve_weights("random:0", "frames"), resolve_weights("random:0", "frame-pca")
    return CountingEmbedder(FrameEmbedderConfig(weights, pca, precision="fp32", threads=1, batch_size=4))


@pytest.fixture(scope="module")
def sound() -> AudioEmbedder:
    weights, pca = resolve_weights("random:0", "sound"), resolve_weights("random:0", "sound-pca")
    return AudioEmbedder(AudioEmbedderConfig(weights, pca, precision="fp32", threads=1, batch_size=4))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 7 * RATE_HZ)).astype(np.float32)
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    return write_with_sound(path, Track(((0.0, noise),), rate=RATE_HZ), seconds=7)


@pytest.fixture(scope="module")
def whole(clip: Path, frames: CountingEmbedder, sound: AudioEmbedder) -> SegmentFeatures:
    features, others = Extractor(SamplingConfig(**CODES), frames, sound)(clip, video(clip))
    assert others == []
    return features


def video(path: Path, **changes: int) -> Video:
    return Video(path.stem, str(path), **changes)  # type: ignore[arg-type]


def row_of(extractor: Extractor, path: Path, **changes: int) -> FeatureRow:
    first, others = extractor(path, video(path, **changes))
    parts = [first, *(extractor(path, video(path, **changes), segment)[0] for segment in others)]
    return merge_segments(video(path, **changes), (), parts[::-1])


def test_the_features_of_a_video(whole: SegmentFeatures, clip: Path) -> None:
    assert (whole.num_frames, whole.duration_seconds, whole.has_audio) == (7, 7.0, True)
    assert whole.size_bytes == clip.stat().st_size
    assert whole.rgb is not None
    assert whole.audio is not None
    assert (np.shape(whole.rgb), np.shape(whole.audio)) == ((7, 1024), (7, AUDIO_DIM))
    assert (whole.rgb_sum.shape, whole.audio_sum.shape) == ((1024,), (AUDIO_DIM,))
    assert len(np.unique(whole.rgb, axis=0)) == len(np.unique(whole.audio, axis=0)) == 7
    assert whole.thumbnail is None
    assert set(whole.seconds_by_stage) == {"open", "decode", "embed_frames", "embed_sound"}
    assert min(whole.seconds_by_stage.values()) > 0


@pytest.mark.parametrize("seconds", [1, 3])
def test_segments_merge_to_the_row_of_the_whole(
    seconds: int, whole: SegmentFeatures, clip: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    row = row_of(Extractor(SamplingConfig(segment_seconds=seconds, **CODES), frames, sound), clip)
    expected = merge_segments(video(clip), (), [whole])
    np.testing.assert_array_equal(row.rgb, expected.rgb)
    np.testing.assert_array_equal(row.audio, expected.audio)
    np.testing.assert_allclose(row.mean_rgb, expected.mean_rgb, atol=1e-6)
    np.testing.assert_allclose(row.mean_audio, expected.mean_audio, atol=1e-6)
    assert (row.num_frames, row.duration_seconds, row.has_audio) == (7, 7.0, True)


def test_a_range_gives_its_part_of_the_whole(
    whole: SegmentFeatures, clip: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    assert whole.rgb is not None
    assert whole.audio is not None
    extractor = Extractor(SamplingConfig(segment_seconds=2, **CODES), frames, sound)
    row = row_of(extractor, clip, start_seconds=2, end_seconds=5)
    np.testing.assert_array_equal(row.rgb, np.asarray(whole.rgb)[2:5])
    np.testing.assert_array_equal(row.audio, np.asarray(whole.audio)[2:5])
    assert row.duration_seconds == 3.0


@pytest.mark.parametrize(("end", "expected"), [({}, 2), ({"end_seconds": 2}, 1), ({"end_seconds": 6}, 2)])
def test_max_seconds_limits_the_features(
    end: dict[str, int], expected: int, clip: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    features, others = Extractor(SamplingConfig(max_seconds=2), frames, sound)(
        clip, video(clip, start_seconds=1, **end)
    )
    assert (features.num_frames, features.duration_seconds, others) == (expected, expected, [])


def test_full_decoding_gives_the_same(
    whole: SegmentFeatures, clip: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    features, _ = Extractor(SamplingConfig(selective=False, **CODES), frames, sound)(clip, video(clip))
    np.testing.assert_array_equal(features.rgb, whole.rgb)
    np.testing.assert_array_equal(features.audio, whole.audio)


def test_codes_are_kept_only_if_requested(clip: Path, frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    features, _ = Extractor(SamplingConfig(max_seconds=1), frames, sound)(clip, video(clip))
    assert features.rgb is features.audio is None


def test_a_frame_at_several_grid_points_is_embedded_once_and_counted_for_each(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    path = write_video(tmp_path / "slides.mp4", Clip(frames=3, pts=[0, 4 * TICKS, 9 * TICKS]))
    before = frames.count
    features, _ = Extractor(SamplingConfig(**CODES), frames, sound)(path, video(path), with_thumbnail=True)
    assert frames.count - before == 3
    assert features.rgb is not None
    assert features.num_frames == 14  # MP4 gives the last picture the duration of the one before
    for points in (slice(0, 4), slice(4, 9), slice(9, 14)):
        assert len(np.unique(np.asarray(features.rgb)[points], axis=0)) == 1
    assert len(np.unique(features.rgb, axis=0)) == 3
    assert features.thumbnail is not None
    assert features.thumbnail.jpeg.startswith(b"\xff\xd8")
    assert features.thumbnail.seconds == 4.0


def test_the_sound_of_a_long_segment_is_embedded_on_the_way(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    seconds = 11 * 60
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, seconds * RATE_HZ)).astype(np.float32)
    path = write_with_sound(tmp_path / "long.avi", Track(((0.0, noise),), rate=RATE_HZ), seconds=seconds, rate=1)
    embedder = FirstSamples(sound.config)
    features, others = Extractor(SamplingConfig(**CODES), Brightness(frames.config), embedder)(path, video(path))
    assert (features.num_frames, others) == (seconds, [])
    *early, late = embedder.counts
    assert sum(early) >= 5 * 60 - 1
    assert late == seconds - sum(early)
    assert min(features.seconds_by_stage.values()) > 0
    waveform = Waveform()
    points = [sample.index for sample in sample_frames(path, waveform=waveform)]
    np.testing.assert_array_equal(features.audio, quantize(embedder(waveform.windows(points))))


def test_a_video_without_sound(tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    path = write_video(tmp_path / "silent.mp4", Clip(frames=50))
    row = row_of(Extractor(SamplingConfig(**CODES), frames, sound), path)
    assert not row.has_audio
    assert not row.mean_audio.any()
    np.testing.assert_array_equal(row.audio, quantize(np.zeros((2, AUDIO_DIM), np.float32)))


def test_the_features_say_which_tracks_they_are_of(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    track = Track(((0.0, np.zeros((1, RATE_HZ), np.float32)),), rate=RATE_HZ)
    extractor = Extractor(SamplingConfig(segment_seconds=2), frames, sound)
    for others, expected in (((), None), ((track,), "audio 1 of 1, 2")):
        path = write_with_sound(tmp_path / "clip.mkv", track, *others, seconds=3)
        first, (rest,) = extractor(path, video(path))
        later, _ = extractor(path, video(path), rest)
        assert (first.tracks, later.tracks) == (expected, expected)


def test_joined_mp4_files_are_covered_as_far_as_the_first_one(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    parts = [write_video(tmp_path / f"{seconds}.mp4", Clip(frames=25 * seconds)) for seconds in (4, 3)]
    row = row_of(Extractor(SamplingConfig(segment_seconds=2), frames, sound), join(tmp_path / "joined.mp4", *parts))
    assert (row.num_frames, row.duration_seconds, row.gaps) == (4, 7.0, ((4.0, 7.0),))
    assert row.coverage == pytest.approx(4 / 7)
    assert row.tracks == "file 1 of 2"


def test_audio_after_the_last_frame_is_ignored(tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    track = Track(((0.0, np.zeros((1, 9 * RATE_HZ), np.float32)),), rate=RATE_HZ)
    path = write_with_sound(tmp_path / "outlasting.mkv", track, seconds=3)
    row = row_of(Extractor(SamplingConfig(segment_seconds=2, **CODES), frames, sound), path)
    assert row.num_frames == 3
    assert row.rgb is not None
    assert np.shape(row.rgb) == (3, 1024)


def test_a_range_beyond_the_end_is_refused(clip: Path, frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    extractor = Extractor(SamplingConfig(), frames, sound)
    for start in (7, 100, 10**15):
        with pytest.raises(VideoError, match=f"it has no frame from second {start} on") as caught:
            extractor(clip, video(clip, start_seconds=start))
        assert caught.value.code == FailureCode.NO_DECODABLE_FRAME


def test_unreadable_files_are_refused(tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(b"noise" * 100)
    with pytest.raises(VideoError) as caught:
        Extractor(SamplingConfig(), frames, sound)(path, video(path))
    assert caught.value.code == FailureCode.NOT_MEDIA


def test_a_file_object_gives_the_same_features(
    whole: SegmentFeatures, clip: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    with clip.open("rb") as file:
        features, _ = Extractor(SamplingConfig(**CODES), frames, sound)(file, video(clip))
    np.testing.assert_array_equal(features.rgb, whole.rgb)
    assert features.size_bytes == clip.stat().st_size


def test_an_extractor_is_pickled_without_its_networks(frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    extractor = Extractor(SamplingConfig(), frames, sound)
    extractor.setup()
    data = pickle.dumps(extractor)
    assert len(data) < 10_000
    assert pickle.loads(data).sampling == extractor.sampling


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A loud video of twelve seconds with a key frame every second, and the same with zeros where 30 to 50 % were."""
    folder = tmp_path_factory.mktemp("damaged")
    clip = Clip(frames=300, gop=25, width=96, height=48, sound="aac", container_options={"movflags": "faststart"})
    whole = write_video(folder / "whole.mp4", clip)
    data = whole.read_bytes()
    first, last = int(len(data) * 0.3), int(len(data) * 0.5)
    (folder / "holed.mp4").write_bytes(data[:first] + bytes(last - first) + data[last:])
    return whole, folder / "holed.mp4"


@pytest.mark.parametrize("seconds", [300, 5])
def test_a_partly_damaged_video_gives_the_features_of_its_intact_part(
    seconds: int, damaged: tuple[Path, Path], frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    extractor = Extractor(SamplingConfig(segment_seconds=seconds, **CODES), frames, sound)
    whole, holed = (row_of(extractor, path) for path in damaged)
    assert (whole.num_frames, whole.coverage, whole.gaps) == (12, 1.0, ())
    ((start, end),) = holed.gaps
    missing = int(end - start)
    assert (start, end) == (int(start), int(end))
    assert 2 <= missing <= 5
    assert holed.num_frames == 12 - missing
    assert holed.coverage == pytest.approx(1 - missing / 12)
    assert holed.duration_seconds == whole.duration_seconds
    there = [index for index in range(12) if not start <= index < end]
    assert whole.rgb is not None
    assert whole.audio is not None
    np.testing.assert_array_equal(holed.rgb, np.asarray(whole.rgb)[there])
    beside = [index for index in there if not start - 2 <= index <= end]  # the codec's sound overlaps
    assert holed.audio is not None
    audio = np.asarray(holed.audio)[[there.index(index) for index in beside]]
    np.testing.assert_allclose(audio, np.asarray(whole.audio)[beside], atol=2)  # resampling restarts after the hole


def test_less_than_half_of_a_video_is_refused_with_the_missing_ranges(
    damaged: tuple[Path, Path], tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    data = damaged[0].read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * 0.4)])
    with pytest.raises(VideoError, match=r"only \d\d% of its frames can be decoded.* to 12 s.*cut short") as caught:
        row_of(Extractor(SamplingConfig(segment_seconds=4), frames, sound), tmp_path / "cut.mp4")
    assert caught.value.code == FailureCode.TRUNCATED


@pytest.mark.parametrize(
    ("name", "seconds", "has_audio"),
    [("two_parts_joined.ts", 6, True), ("raw_25fps_20s_without_timing.h264", 20, False)],
)
@pytest.mark.parametrize("selective", [True, False])
def test_a_file_that_states_no_length_is_as_long_as_what_is_there(
    name: str, seconds: int, has_audio: bool, selective: bool, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    row = row_of(Extractor(SamplingConfig(selective=selective), frames, sound), VIDEOS / name)
    assert (row.num_frames, row.duration_seconds, row.coverage, row.has_audio) == (seconds, seconds, 1, has_audio)


def test_a_part_of_joined_recordings(frames: CountingEmbedder, sound: AudioEmbedder) -> None:
    row = row_of(
        Extractor(SamplingConfig(), frames, sound), VIDEOS / "two_parts_joined.ts", start_seconds=2, end_seconds=5
    )
    assert (row.num_frames, row.duration_seconds, row.coverage) == (3, 3, 1)


def test_damaged_audio_does_not_affect_frames(
    damaged: tuple[Path, Path], tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    data = bytearray(damaged[0].read_bytes())
    with av.open(str(damaged[0])) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.size and packet.pos is not None:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path = tmp_path / "mute.mp4"
    path.write_bytes(data)
    row = row_of(Extractor(SamplingConfig(**CODES), frames, sound), path)
    assert (row.num_frames, row.coverage, row.has_audio) == (12, 1.0, False)
    assert not row.mean_audio.any()


@pytest.mark.parametrize("sampling", ["exact", "keyframes"])
@pytest.mark.parametrize("make", [long_avi, long_mp4])
def test_a_claim_of_days_takes_no_memory(
    make: Callable[[Path, int], Path], sampling: str, tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    """Two pictures in 200 KB, each of which stays for more than a day: 800 MB of embeddings, were they repeated."""
    seconds = 200_000
    path = make(tmp_path / f"long.{make.__name__[-3:]}", seconds)
    extractor = Extractor(SamplingConfig(segment_seconds=seconds, sampling=sampling, **CODES), frames, sound)
    extractor.setup()
    before = frames.count
    with memory_growth() as growth:
        features, others = extractor(path, video(path))
    assert growth.bytes < 64 << 20
    assert others == []
    assert frames.count - before <= 3
    assert features.num_frames >= seconds - 1
    assert features.rgb is not None
    assert features.audio is not None
    assert (len(features.rgb), len(features.audio)) == (features.num_frames, features.num_frames)
    assert features.rgb.counts.max() >= seconds / 2 - 1
    assert len(features.audio.vectors) == 1


def test_a_video_that_claims_too_many_grid_points_is_refused(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    before = frames.count
    for path in (long_mp4(tmp_path / "long.mp4", 20_000), long_avi(tmp_path / "long.avi", 20_000)):
        for fps, limit in (("1", 15_000), ("2", 30_000)):
            sampling = SamplingConfig(fps=fps, max_grid_points=limit)
            with pytest.raises(VideoError, match=r"it lasts [12]\d,\d{3} s or more.*--max-grid-points") as caught:
                Extractor(sampling, frames, sound)(path, video(path))
            assert caught.value.code == FailureCode.TOO_LONG
        for part in ({"end_seconds": 15_000}, {"start_seconds": 5_000}):
            extractor = Extractor(SamplingConfig(max_grid_points=15_000), frames, sound)
            features, _ = extractor(path, video(path, **part))
            assert features.num_frames > 0
    assert frames.count - before < 20


def test_the_last_segment_may_be_longer_than_the_header_says_but_not_for_ever(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    path = long_mp4(tmp_path / "long.mp4", 20_000)
    extractor = Extractor(SamplingConfig(max_grid_points=150), frames, sound)
    with pytest.raises(VideoError, match="the limit is 150 frames") as caught:
        extractor(path, video(path), Segment(1, 2, 100, None))
    assert caught.value.code == FailureCode.TOO_LONG


def test_silence_is_embedded_once_and_like_any_other_window(
    tmp_path: Path, frames: CountingEmbedder, sound: AudioEmbedder
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 2 * RATE_HZ)).astype(np.float32)
    path = write_with_sound(tmp_path / "quiet.mkv", Track(((0.0, noise), (6.5, noise)), rate=RATE_HZ), seconds=9)
    waveform = Waveform()
    samples = list(sample_frames(path, waveform=waveform))
    assert len(samples) == 9
    windows = waveform.windows(range(9))
    assert windows.any(axis=1).tolist() == [True] * 2 + [False] * 4 + [True] * 3
    features, _ = Extractor(SamplingConfig(**CODES), frames, sound)(path, video(path))
    np.testing.assert_array_equal(features.audio, quantize(sound(windows)))
    assert features.audio is not None
    assert features.audio.counts.tolist() == [1, 1, 4, 1, 1, 1]
    np.testing.assert_allclose(features.audio_sum, sound(windows).sum(axis=0, dtype=np.float64), rtol=1e-12)

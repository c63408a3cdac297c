import numpy as np
import pytest
from av import open as open_video

from benchmarks.generated_mouths import draw_clips, draw_mouth, draw_speaker, main
from benchmarks.generated_speech import FRAMES, RATE, mouth_shapes, speak
from cluster.datasets.manifest import read_videos

SIZE = (24, 48)


@pytest.fixture(scope="module")
def clips():
    return draw_clips(0, range(2), 2, *SIZE)


def test_clips_are_crops_of_three_seconds(clips):
    assert [clip.speaker for clip in clips] == ["s1", "s1", "s2", "s2"]
    for clip in clips:
        assert clip.frames.shape == (FRAMES, *SIZE, 3)
        assert clip.frames.dtype == np.uint8
        assert 15 < clip.frames.std() < 90
    assert len({clip.speech.text for clip in clips}) == 4


def test_equal_seeds_draw_equal_clips_and_parts_differ(clips):
    again, validation = draw_clips(0, [1], 2, *SIZE), draw_clips(0, [1], 2, *SIZE, part="validation")
    assert [clip.frames.tobytes() for clip in again] == [clip.frames.tobytes() for clip in clips[2:]]
    assert validation[0].speech != again[0].speech
    (other, _) = draw_clips(0, [1], 2, *SIZE, unlike=[again[0].speech.text])
    assert other.speech.text != again[0].speech.text


def test_open_mouths_are_dark_inside():
    speaker = draw_speaker(np.random.default_rng(1))
    speech = speak(np.random.default_rng(2), "place white by i five now")
    frames = draw_mouth(np.random.default_rng(3), speaker, speech, 48, 96)
    opening = mouth_shapes(speech)[:, 0]
    middle = frames[:, 12:40, 40:56].astype(float).mean(axis=-1)
    dark = (middle < 60).mean(axis=(1, 2))  # the share of dark pixels around the middle of the mouth
    assert np.corrcoef(opening, dark)[0, 1] > 0.7
    assert dark[opening.argmax()] > 0.1 > dark[opening.argmin()]


def test_a_written_set_has_sentences_and_no_shared_ones(tmp_path):
    sizes = ["--speakers", "2", "1", "--sentences", "3", "1", "2", "--size", "16", "32"]
    main([str(tmp_path / "a"), *sizes])
    main([str(tmp_path / "b"), *sizes])
    videos = read_videos(str(tmp_path / "a" / "manifest.csv"))
    counts = [(split, group) for split, group in sorted((video.split, video.group) for video in videos)]
    assert counts == [
        *[("test", speaker) for speaker in ("s1", "s2", "s3") for _ in range(2)],
        *[("train", speaker) for speaker in ("s1", "s2") for _ in range(3)],
        *[("validation", speaker) for speaker in ("s1", "s2")],
    ]
    learnt = {video.text for video in videos if video.split == "train"}
    assert not learnt & {video.text for video in videos if video.split != "train"}
    assert all([one.word for one in video.words] == video.text.split() for video in videos)
    with open_video(videos[0].uri) as container:
        (stream,) = container.streams.video
        assert (stream.average_rate, stream.width, stream.height) == (RATE, 32, 16)
        assert len([*container.decode(stream)]) == FRAMES
    for path in (tmp_path / "a").rglob("*.mp4"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize("wrong", [["--size", "15", "32"], ["--size", "17", "32"], ["--seed", "-1"]])
def test_options_that_mean_nothing(wrong, tmp_path):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "a"), *wrong])

import numpy as np
import pytest

from benchmarks.clips import CLASSES, Videos, model_of, plain_scoring, plain_training, write_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_videos(folder, 32)
    return folder / "videos"


def test_every_eighth_video_is_for_validation_and_both_splits_have_both_classes(videos):
    for split, count in (("train", 28), ("val", 4)):
        assert len(list((videos / split).glob("*/*.mp4"))) == count
        assert {folder.name for folder in (videos / split).iterdir()} == set(CLASSES)


def test_a_video_gives_one_clip_of_the_format_of_the_model(videos):
    form = model_of("r3d-18").clip_format
    clips = Videos(videos / "val", form)
    clip, target = clips[len(clips) - 1]
    assert clip.shape == (form.frames, form.height, form.width, 3)
    assert clip.dtype == np.uint8
    assert target == 1


@pytest.mark.heavy
def test_the_plain_loops_report_positive_seconds(videos):
    assert all(seconds > 0 for seconds in plain_training(videos, "movinet-a0", 1))
    assert all(seconds > 0 for seconds in plain_scoring(videos, "movinet-a0", 1))

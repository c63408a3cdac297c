import dataclasses
import pickle
from fractions import Fraction

import pytest

from schemas.videos import Video, content_of, seconds_text, start_of, whole_microseconds


def test_an_id_and_a_uri_are_enough():
    video = Video("a", "a.mp4")
    assert dataclasses.asdict(video) == {
        "id": "a",
        "uri": "a.mp4",
        "labels": (),
        "split": "",
        "start_seconds": 0,
        "end_seconds": None,
        "version": "",
        "group": "",
        "text": "",
        "words": (),
        "size_bytes": None,
    }


def test_a_video_is_a_value():
    video = Video("a", "a.mp4", (1, "cat"), "train", 3, 9, "etag:1")
    assert pickle.loads(pickle.dumps(video)) == video
    assert {video, dataclasses.replace(video)} == {video}
    with pytest.raises(dataclasses.FrozenInstanceError):
        video.id = "b"


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 5), (7, None), (12, 30), (Fraction(1, 8), Fraction(5, 2))])
@pytest.mark.parametrize("version", ["", "etag:1", "12@3 [x]", "a [4-5] b"])
def test_the_content_of_a_part_tells_its_start(start, end, version):
    assert start_of(content_of(Video("a", "a.mp4", start_seconds=start, end_seconds=end, version=version))) == start


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12, "12"), (Fraction(371, 250), "1.484"), (Fraction(1, 3), "0.333333"), (Fraction(2, 3), "0.666666")],
)
def test_times_are_rounded_down_to_microseconds(seconds, text):
    assert seconds_text(whole_microseconds(seconds)) == text
    assert whole_microseconds(Fraction(text)) == whole_microseconds(seconds)
    assert isinstance(whole_microseconds(Fraction(4, 2)), int)

import dataclasses
import pickle

import pytest

from schemas.videos import Video, content_of, start_of


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
    }


def test_a_video_is_a_value():
    video = Video("a", "a.mp4", (1, "cat"), "train", 3, 9, "etag:1")
    assert pickle.loads(pickle.dumps(video)) == video
    assert {video, dataclasses.replace(video)} == {video}
    with pytest.raises(dataclasses.FrozenInstanceError):
        video.id = "b"


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 5), (7, None), (12, 30)])
@pytest.mark.parametrize("version", ["", "etag:1", "12@3 [x]", "a [4-5] b"])
def test_the_content_of_a_part_tells_its_start(start, end, version):
    assert start_of(content_of(Video("a", "a.mp4", start_seconds=start, end_seconds=end, version=version))) == start

import dataclasses
import pickle

import pytest

from schemas.videos import Video


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

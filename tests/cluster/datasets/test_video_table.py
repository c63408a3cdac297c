from __future__ import annotations

import os
from fractions import Fraction

from cluster.datasets.video_table import VIDEOS, video_of, video_table
from schemas.spoken_words import SpokenWord
from schemas.videos import Video


def test_videos_come_back_as_they_were() -> None:
    words = (SpokenWord("bin", Fraction(1, 2), 1), SpokenWord("blue", 1, Fraction(5, 4)))
    videos = [
        Video("a", os.fsdecode(b"caf\xe9.mp4")),
        Video("b", "b", (3, 1), "test", Fraction(1, 4), None, "v", "g", "bin blue", words, 0),
        Video("c", "c", ("dog", "cat"), end_seconds=2, size_bytes=1 << 40),
    ]
    table = video_table(videos)
    found = list(map(video_of, table.to_pylist()))
    assert found == videos
    assert [video.size_bytes for video in found] == [None, 0, 1 << 40]
    assert table["content"].to_pylist() == [None, "v [0.25-]", " [0-2]"]
    assert video_table([]) == VIDEOS.empty_table()

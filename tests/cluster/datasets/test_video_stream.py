from __future__ import annotations

import numpy as np
import pytest

from cluster.datasets.partitions import Partition
from cluster.datasets.video_stream import WholeVideos
from schemas.videos import Video, content_of

VIDEOS = [Video(f"v{number}", f"{number}.mp4", version=str(number), start_seconds=number) for number in range(50)]


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("partition", [Partition(), Partition(1, 3)], ids=str)
def test_parts_are_all_videos_of_the_partition_once(count: int, partition: Partition) -> None:
    stream = WholeVideos(VIDEOS, partition=partition)
    found = []
    for part in stream.parts(count):
        videos = part.videos(np.arange(len(part)))
        assert part.ids.to_pylist() == [video.id for video in videos]
        assert part.contents.to_pylist() == [content_of(video) for video in videos]
        assert part.videos(np.arange(len(part))[::-1]) == videos[::-1]
        found += videos
    assert sorted(found, key=VIDEOS.index) == list(stream.all()) == list(stream.whole)
    assert (len(found) == len(VIDEOS)) == (partition == Partition())
    assert stream.everything == VIDEOS


def test_the_same_stream_with_other_videos() -> None:
    stream = WholeVideos(VIDEOS, ("unread",), unread_share=0.5)
    other = stream.with_videos(VIDEOS[:1])
    assert (other.all(), other.unread, other.unread_share) == (VIDEOS[:1], ("unread",), 0.5)
    assert stream.all() == VIDEOS

from __future__ import annotations

from cluster.datasets.video_problems import duplicates, may_repeat, mixed_labels, repeated
from cluster.storage.tar_members import member_uri
from schemas.videos import Video

MEMBER = member_uri("a.tar", 512, 100)


def test_videos_in_two_splits_are_told_whatever_comes_first() -> None:
    videos = [Video("0", "a"), Video("1", "a", split="train"), Video("2", "a", split="test"), Video("3", "")]
    assert repeated(videos) == ["'1' and '2' are one video in two splits: 'a'"]
    assert repeated([Video("1", MEMBER), Video("2", MEMBER)]) == [f"'1' and '2' are one member of a tar: {MEMBER!r}"]
    assert list(map(may_repeat, [*videos, Video("4", MEMBER)])) == [False, True, True, False, True]


def test_ids_stand_for_one_video_each() -> None:
    videos = [Video("a", "s3://key:secret@in/1"), Video("b", "2"), Video("a", "3"), Video("a", "4")]
    first, second = duplicates(videos)
    assert first.startswith("id 'a' stands for both ")
    assert "'3'; ids must be unique" in first
    assert "'4'; ids must be unique" in second
    assert "secret" not in first
    assert duplicates(videos[:2]) == []


def test_labels_are_indices_or_names() -> None:
    videos = [Video("a", "1", (7,)), Video("b", "2"), Video("c", "3", ("cat", "dog"))]
    assert mixed_labels(videos) == ["labels are class indices or names, not both: there are 7 and 'cat'"]
    assert mixed_labels(videos[:2]) == mixed_labels(videos[1:]) == []

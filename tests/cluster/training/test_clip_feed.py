"""What gives clips to a worker; that of sources is in `test_clip_source`."""

import shutil
from contextlib import closing

import numpy as np
import pytest
import torch

from classifiers.data.batches import BatchOrder, Worker
from cluster.clips.cache import ClipCacheError
from cluster.training.kinds import load_training_data
from tests.support.trainings import clip_config, write_videos

ORDER = BatchOrder(batch_size=4, with_ids=True)


@pytest.fixture
def videos(tmp_path):
    folder = write_videos(tmp_path / "videos", 4)
    (folder / "red" / "empty.mp4").write_bytes(b"")
    (folder / "blue" / "text.mp4").write_text("no video")
    return folder


def load(videos, **options):
    return load_training_data(
        clip_config(videos, "out", **{"fractions": ("1", "0", "0"), "max_failure_ratio": 0.5, **options}).settings()
    )


def test_each_worker_looks_at_its_share(videos):
    found = []
    for rank in range(2):
        with closing(load(videos).feed(Worker(rank=rank, world=2))) as feed:
            found.append(feed.find_lost())
    assert {(video.id, video.code) for share in found for video in share} == {
        ("red/empty", "empty"),
        ("blue/text", "not_media"),
    }
    assert all(video.message and video.uri.endswith(f"{video.id}.mp4") for share in found for video in share)


def test_a_cache_stands_for_the_videos(videos, tmp_path):
    plain, cached = load(videos), load(videos, clip_cache=str(tmp_path / "cache"))
    feeds = [cached.feed(Worker(rank=rank, world=2)) for rank in range(2)]
    lost = [video for feed in feeds for video in feed.find_lost()]
    assert sorted(video.id for video in lost) == ["blue/text", "red/empty"]
    with closing(plain.feed(Worker())) as feed:
        expected = list(feed.source(plain.without(lost).splits["training"], ORDER).batches())
    shutil.rmtree(videos)  # they are not looked at any more
    rest = cached.without(lost)
    found = [batch for feed in feeds for batch in feed.source(rest.splits["training"], ORDER).batches()]
    assert [name for batch in found for name in batch.ids] == [name for batch in expected for name in batch.ids]
    one, other = (torch.cat([batch.clips for batch in batches]).float() for batches in (found, expected))
    assert one.shape == other.shape
    assert 0 < (one - other).abs().mean() < 6  # of 255: JPEG
    assert torch.cat([batch.targets for batch in found]).equal(torch.cat([batch.targets for batch in expected]))
    for feed in feeds:
        feed.close()


def test_cached_clips_are_not_decoded_again(videos, tmp_path):
    cache = tmp_path / "cache"
    with closing(load(videos, clip_cache=str(cache)).feed(Worker())) as feed:
        assert len(feed.find_lost()) == 2
    before = sorted(cache.iterdir())
    data = load(videos, clip_cache=str(cache))
    with closing(data.feed(Worker())) as feed:
        assert len(feed.find_lost()) == 2
        assert sorted(cache.iterdir()) == before
        batches = list(feed.source(data.without(feed.find_lost()).splits["training"], ORDER).batches())
    assert sum(map(len, batches)) == 12


def test_a_cache_that_does_not_fit(videos, tmp_path):
    cache = str(tmp_path / "cache")
    with closing(load(videos, clip_cache=cache).feed(Worker())) as feed:
        lost = feed.find_lost()
    with (
        closing(load(videos, clip_cache=cache, placement="equal").feed(Worker())) as feed,
        pytest.raises(ClipCacheError, match="placement is central, expected equal"),
    ):
        feed.find_lost()
    shutil.rmtree(cache)
    data = load(videos, clip_cache=cache).without(lost)
    with (
        closing(data.feed(Worker())) as feed,
        pytest.raises(ClipCacheError, match="no longer has a clip of 'blue/000'"),
    ):
        list(feed.source(data.splits["training"], ORDER).batches())
    assert np.count_nonzero(data.splits["training"].rows) == 12

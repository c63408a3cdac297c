from contextlib import closing

import numpy as np
import pytest
import torch

from classifiers.data.batches import BatchOrder, Worker
from cluster.clips.decoder_pool import ClipDecoderPool
from cluster.training.clip_source import ClipSource, LostClipError
from cluster.training.kinds import load_training_data
from tests.support.trainings import clip_config, write_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos"), 7)


@pytest.fixture(scope="module")
def batches():
    """All batches of an epoch, decoded by the same processes for all tests."""
    with closing(ClipDecoderPool(2)) as decoders:

        def given(data, order, epoch=0, **worker):
            split = data.splits["training"]
            options = {"reading": data.reading, "order": order, "worker": Worker(**worker), "decoders": decoders}
            source = ClipSource(data.videos, split.rows, split.targets, **options)
            found = list(source.batches(epoch))
            assert source.steps == len(found)
            return found

        yield given


def load(videos, **options):
    return load_training_data(clip_config(videos, "out", **options).settings())


def ids(found):
    return [name for batch in found for name in batch.ids]


IN_ORDER = BatchOrder(batch_size=4, with_ids=True)
SHUFFLED = BatchOrder(batch_size=4, with_ids=True, shuffle=True, seed=3)


def test_in_order_every_video_comes_once(batches, videos):
    data = load(videos)
    whole = batches(data, IN_ORDER)
    assert {tuple(batch.clips.shape[1:]) for batch in whole} == {(16, 16, 16, 3)}
    assert all(batch.clips.dtype == torch.uint8 for batch in whole)
    rows = np.flatnonzero(data.splits["training"].rows)
    assert ids(whole) == [data.videos[row].id for row in rows]
    assert torch.cat([batch.targets for batch in whole]).tolist() == data.splits["training"].targets.of(rows).tolist()
    # Red, green and blue are what classes are of.
    strongest = torch.cat([batch.clips.float().mean(dim=(1, 2, 3)).argmax(dim=1) for batch in whole])
    assert ((2 - strongest) == torch.cat([batch.targets for batch in whole])).all()
    shared = [batches(data, IN_ORDER, rank=rank, world=3) for rank in range(3)]
    assert [name for share in shared for name in ids(share)] == ids(whole)


def test_shuffled_each_epoch_has_its_order_and_workers_the_same_number(batches, videos):
    data = load(videos)
    first, again, second = batches(data, SHUFFLED), batches(data, SHUFFLED), batches(data, SHUFFLED, 1)
    assert ids(first) == ids(again) != ids(second)
    assert sorted(ids(first)) == sorted(ids(second)) == sorted(ids(batches(data, IN_ORDER)))
    shares = [ids(batches(data, SHUFFLED, rank=rank, world=2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == len(ids(first)) // 2
    assert shares[0] + shares[1] == ids(first)[: 2 * len(shares[0])]


def test_random_clips_depend_on_seed_epoch_and_video_alone(batches, videos):
    data = load(videos, placement="random", random_crop=True)

    def clips(epoch, **worker):
        found = batches(data, SHUFFLED, epoch, **worker)
        return {name: clip for batch in found for name, clip in zip(batch.ids, batch.clips, strict=True)}

    one, other, shared = clips(0), clips(1), clips(0, rank=1, world=2)
    assert all(torch.equal(one[name], shared[name]) for name in shared)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    # What is measured is always the same.
    steady = load(videos)
    for found, expected in zip(batches(data, IN_ORDER), batches(steady, IN_ORDER), strict=True):
        assert torch.equal(found.clips, expected.clips)


def test_a_video_that_goes_away_meanwhile_ends_the_epoch(batches, tmp_path):
    data = load(write_videos(tmp_path / "videos", 5))
    row = np.flatnonzero(data.splits["training"].rows)[0]
    (tmp_path / "videos" / f"{data.videos[row].id}.mp4").unlink()
    with pytest.raises(LostClipError, match=r"was decodable before and no longer is \(missing\)"):
        batches(data, IN_ORDER)


def test_a_source_can_be_left_in_the_middle(videos):
    data = load(videos)
    with closing(data.feed(Worker(threads=1))) as feed:
        source = feed.source(data.splits["training"], IN_ORDER)
        left = source.batches()
        first = next(left)
        left.close()
        assert torch.equal(next(source.batches()).clips, first.clips)

import os
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch

from classifiers.data.class_choice import choose_classes, multi_label_targets, single_label_targets
from cluster.features.columns import read_index
from cluster.features.files import FeatureFileError, open_features
from cluster.features.source import FILES_OPEN, FeatureSource, SourceConfig
from schemas.features import AUDIO_DIM
from schemas.quantization import dequantize
from tests.support.dataset import ROOT
from tests.support.features import DIM, feature_row, write_shard
from tests.support.parity import FOLDER, golden
from tests.support.tfrecords import frames_record, write_tfrecord

COUNT = 1500


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """1500 videos in five shards of different sizes, some with several row groups."""
    folder = tmp_path_factory.mktemp("videos")
    bounds = [0, 10, 700, 701, 1200, COUNT]
    for number, (first, last) in enumerate(pairwise(bounds)):
        rows = [feature_row(row) for row in range(first, last)]
        write_shard(folder / f"{number}.parquet", rows, row_group_size=200)
    return open_features([str(folder)])


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """40 videos of 1 to 9 frames, in two shards."""
    folder = tmp_path_factory.mktemp("frames")
    rows = [feature_row(row, frames=1 + row * 7 % 9) for row in range(40)]
    write_shard(folder / "a.parquet", rows[:23])
    write_shard(folder / "b.parquet", rows[23:])
    return open_features([str(folder)]), rows


def numbers(source: FeatureSource, epoch: int = 0) -> list[int]:
    return [int(number) for batch in source.batches(epoch) for number in batch.rgb[:, 0]]


@pytest.mark.parametrize("window_bytes", [1, 100_000, 1 << 26])
@pytest.mark.parametrize("batch_size", [1, 7, 256, 5000])
def test_in_order_every_row_comes_once_in_full_batches(videos, batch_size, window_bytes):
    if batch_size == 1 and window_bytes == 1:
        batch_size = 2
    source = FeatureSource(videos, SourceConfig(batch_size=batch_size, window_bytes=window_bytes, with_ids=True))
    batches = list(source.batches())
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert (len(batches), source.rows) == (source.steps, COUNT)
    places = [(batch, at) for batch in batches for at in range(len(batch))]
    for number, (batch, at) in enumerate(places):
        row, name = feature_row(number), batch.ids[at]
        assert name == row.id
        if number % 100 == 0:
            np.testing.assert_array_equal(batch.rgb[at], row.mean_rgb)
            np.testing.assert_array_equal(batch.audio[at], row.mean_audio)
            assert batch.num_frames[at] == row.num_frames


@pytest.mark.parametrize("window_bytes", [1, 50_000, 1 << 26])
def test_shuffled_every_row_comes_once(videos, window_bytes):
    source = FeatureSource(videos, SourceConfig(batch_size=64, shuffle=True, seed=5, window_bytes=window_bytes))
    first, again, second = numbers(source, 0), numbers(source, 0), numbers(source, 1)
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first == again
    assert first != second
    assert [len(batch) for batch in source.batches()][:-1] == [64] * (COUNT // 64)


def test_a_window_mixes_several_files(videos):
    first = np.array(numbers(FeatureSource(videos, SourceConfig(shuffle=True)))[:300])
    assert first.min() < 300
    assert first.max() > 1200
    # Neighbours in the files do not stay neighbours.
    assert (np.abs(np.diff(first)) == 1).mean() < 0.05


def test_seeds_give_other_orders(videos):
    orders = [numbers(FeatureSource(videos, SourceConfig(shuffle=True, seed=seed))) for seed in (0, 1)]
    assert orders[0] != orders[1]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("world", [2, 3, 7])
def test_workers_share_the_rows_out(videos, world, shuffle):
    wanted = np.arange(COUNT) % 3 != 1
    config = SourceConfig(batch_size=50, shuffle=shuffle)
    sources = [FeatureSource(videos, config, rows=wanted, rank=rank, world=world) for rank in range(world)]
    shares = [numbers(source, 2) for source in sources]
    together = sorted(number for share in shares for number in share)
    assert len(set(together)) == len(together)
    assert [len(share) for share in shares] == [source.rows for source in sources]
    assert [sum(1 for _ in source.batches(2)) for source in sources] == [source.steps for source in sources]
    if shuffle:
        assert len({source.rows for source in sources}) == 1
        assert wanted.sum() - len(together) < world
        assert wanted[together].all()
    else:
        assert together == np.flatnonzero(wanted).tolist()


def test_selected_rows_come_with_their_targets(videos):
    index = read_index(videos)
    choice = choose_classes(["2", "0"])
    targets = single_label_targets(index.labels, choice)
    for shuffle in (False, True):
        source = FeatureSource(videos, SourceConfig(shuffle=shuffle), rows=targets.kept, targets=targets)
        for batch in source.batches():
            assert batch.targets is not None
            assert batch.targets.dtype == torch.int64
            expected = [{2: 0, 0: 1}[int(number) % 3] for number in batch.rgb[:, 0]]
            assert batch.targets.tolist() == expected
    multi = multi_label_targets(index.labels, choice)
    batch = next(FeatureSource(videos, SourceConfig(batch_size=4), rows=multi.kept, targets=multi).batches())
    assert batch.targets is not None
    assert batch.targets.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("max_frames", [None, 4])
def test_frames_are_decoded_and_padded(frames, shuffle, max_frames):
    features, rows = frames
    by_id = {row.id: row for row in rows}
    config = SourceConfig(
        level="frame", batch_size=6, shuffle=shuffle, max_frames=max_frames, with_ids=True, window_bytes=2000
    )
    seen = []
    for batch in FeatureSource(features, config).batches():
        lengths = [min(by_id[name].num_frames, max_frames or 99) for name in batch.ids]
        assert batch.num_frames.tolist() == lengths
        assert batch.rgb.shape == (len(batch), max(lengths), DIM)
        for at, (name, length) in enumerate(zip(batch.ids, lengths, strict=True)):
            row = by_id[name]
            assert row.rgb is not None
            assert row.audio is not None
            np.testing.assert_array_equal(batch.rgb[at, :length], dequantize(np.asarray(row.rgb)[:length]))
            np.testing.assert_array_equal(batch.audio[at, :length], dequantize(np.asarray(row.audio)[:length]))
            assert not batch.rgb[at, length:].any()
            assert not batch.audio[at, length:].any()
        seen += batch.ids
    assert sorted(seen) == sorted(by_id)


def test_frames_of_youtube_8m_equal_the_published_reader():
    features = open_features([str(FOLDER / "frame_level.tfrecord")])
    assert features.levels == ("video", "frame")
    (batch,) = FeatureSource(features, SourceConfig(level="frame", max_frames=8)).batches()
    matrix = np.concatenate([batch.rgb.numpy(), batch.audio.numpy()], axis=2)
    np.testing.assert_allclose(matrix[..., ::9], golden("tfrecords")["frame_matrix_max8_every9"], atol=1e-6)
    assert batch.num_frames.tolist() == [3, 8, 5, 8, 7]


def test_means_of_youtube_8m():
    features = open_features([str(FOLDER / "video_level.tfrecord")])
    (batch,) = FeatureSource(features, SourceConfig(with_ids=True)).batches()
    np.testing.assert_array_equal(batch.rgb, golden("tfrecords")["video_mean_rgb"])
    assert batch.ids[0] == "Ab-_0"


def test_a_reader_that_stops_early_leaves_no_thread(videos):
    before = threading.active_count()
    for epoch in range(3):
        batches = FeatureSource(videos, SourceConfig(batch_size=8, shuffle=True, window_bytes=1000)).batches(epoch)
        next(batches)
        batches.close()
    assert threading.active_count() == before


def test_an_error_of_the_reading_thread_reaches_the_reader(tmp_path):
    rows = [feature_row(number) for number in range(2000)]
    rows[1999].mean_rgb[0] = np.nan
    path = write_shard(tmp_path / "a.parquet", rows)
    with pytest.raises(FeatureFileError, match="1 of 2000 videos have features that are NaN"):
        list(FeatureSource(open_features([str(path)]), SourceConfig(batch_size=64)).batches())


def test_invalid_sources_are_refused(videos):
    with pytest.raises(FeatureFileError, match="--frame-features"):
        FeatureSource(videos, SourceConfig(level="frame"))
    with pytest.raises(FeatureFileError, match="1 of 1500 videos are selected"):
        FeatureSource(videos, SourceConfig(), rows=np.arange(COUNT) == 3, world=2)
    with pytest.raises(ValueError, match="rank must be from 0 to 1"):
        FeatureSource(videos, SourceConfig(), rank=2, world=2)
    with pytest.raises(ValueError, match="rows are for 3 videos, but the files hold 1500"):
        FeatureSource(videos, SourceConfig(), rows=np.ones(3, bool))
    with pytest.raises(ValueError, match=r"(?s)level must be.*batch_size must be at least 1, not 0.*seed"):
        SourceConfig(level="clip", batch_size=0, seed=-1)


WINDOW_BYTES = 8 << 20
MEMORY = f"""
import sys, tracemalloc
import pyarrow as pa
from cluster.features.files import open_features
from cluster.features.source import FeatureSource, SourceConfig
features = open_features([sys.argv[1]])
source = FeatureSource(features, SourceConfig(shuffle=True, window_bytes={WINDOW_BYTES}))
tracemalloc.start()
rows = sum(len(batch) for epoch in range(2) for batch in source.batches(epoch))
print(rows, tracemalloc.get_traced_memory()[1], pa.default_memory_pool().max_memory())
"""


@pytest.mark.heavy
def test_memory_does_not_grow_with_the_videos(tmp_path):
    # What is allocated, and not what the process has of the system: that depends on when allocators give memory back.
    rows = 2000
    shard = write_shard(tmp_path / "shard.parquet", [feature_row(row, dim=512) for row in range(rows)])
    file_bytes = rows * 4 * (512 + AUDIO_DIM)
    peaks = []
    for files in (60, 120):
        folder = tmp_path / str(files) / "features"
        folder.mkdir(parents=True)
        for number in range(files):
            os.link(shard, folder / f"{number:03d}.parquet")
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(folder.parent)], check=True, capture_output=True, text=True, cwd=ROOT
        )
        read, arrays, arrow = map(int, done.stdout.split())
        assert read == 2 * files * rows
        # Each of three buffers may have twice the room of a window, and one takes half as much again while it grows.
        assert arrays < 12 * WINDOW_BYTES < files * file_bytes / 2
        peaks.append(arrow)
    assert peaks[1] < 1.1 * peaks[0] < 5 * FILES_OPEN * file_bytes


def test_codes_and_floats_of_two_files_are_what_each_file_gives_alone(tmp_path):
    codes = {"rgb": [[bytes([9, 99, 199, 255])]] * 2, "audio": [[bytes([7, 77])]] * 2}
    floats = {"RGB/feature/floats": [[0.5, -1.25, 3.5, 1e-3]] * 3, "AUDIO/feature/floats": [[0.25, -0.75]] * 3}
    paths = [tmp_path / "codes.tfrecord", tmp_path / "floats.tfrecord"]
    for path, lists in zip(paths, (codes, floats), strict=True):
        write_tfrecord(path, frames_record(lists=lists, id=[path.stem.encode()]))
    config = SourceConfig(level="frame", max_frames=3, with_ids=True)
    for names in (paths, paths[::-1]):
        (both,) = FeatureSource(open_features([str(path) for path in names]), config).batches()
        for path in paths:
            (alone,) = FeatureSource(open_features([str(path)]), config).batches()
            at, frames = both.ids.index(path.stem), alone.rgb.shape[1]
            assert torch.equal(both.rgb[at, :frames], alone.rgb[0])
            assert torch.equal(both.audio[at, :frames], alone.audio[0])

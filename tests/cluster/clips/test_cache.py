"""Cached clips come back; clips of another format or of changed videos are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import cluster.clips.cache
from cluster.clips.cache import ClipCache, ClipCacheError, clip_form, clip_row, mouth_form
from extractors.clips.sampling import ClipSampling
from schemas.cached_clips import ClipRow
from schemas.clips import SIGNED, UNIT, ClipFormat
from schemas.lips import LipInput
from schemas.videos import Video
from tests.support.videos import picture, read_number

FORMAT = ClipFormat(frames=4, height=48, width=96, resize=(48, 96), fps="12.5", **UNIT)
SAMPLING = ClipSampling(placement="random", views=3)


def video(number: int, version: str = "1") -> Video:
    return Video(f"class {number % 3}/{number}", f"/videos/{number}.mp4", split="train", version=version)


def clips(number: int) -> NDArray[np.uint8]:
    """(3, 4, 48, 96, 3), each frame with a number of its own."""
    return np.stack([[picture(100 * number + 10 * view + t, 96, 48) for t in range(4)] for view in range(3)])


def rows(numbers: range, version: str = "1") -> Iterator[ClipRow]:
    return (clip_row(video(number, version), (number % 3,), clips(number), FORMAT.fps) for number in numbers)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ClipCache]:
    with ClipCache(str(tmp_path / "cache"), clip_form(FORMAT, SAMPLING)) as opened:
        yield opened


def test_clips_come_back(cache: ClipCache) -> None:
    assert cache.index() == {}
    assert cache.write(rows(range(10))) == 1
    index = cache.index()
    assert len(index) == 10
    for number in (0, 3, 4, 9):
        cached = index[video(number).id]
        assert (cached.labels, cached.split, cached.views) == ((number % 3,), "train", 3)
        whole = cache.clips(cached)
        assert whole.shape == (3, 4, 48, 96, 3)
        numbers = [[read_number(image) for image in clip] for clip in whole]
        assert numbers == [[100 * number + 10 * view + t for t in range(4)] for view in range(3)]
        np.testing.assert_array_equal(cache.clips(cached, 1), whole[1:2])


@pytest.mark.parametrize("channels", [2, 5])
def test_flow_comes_back(channels: int, tmp_path: Path) -> None:
    half = (0.5,) * channels
    form = replace(FORMAT, flow="dis", mean=half, std=half)
    y, x = np.mgrid[0:48, 0:96]
    flow = np.stack([[128 + 8 * view + 20 * np.sin((x + y + 3 * t) / 11) for t in range(4)] for view in range(3)])
    stored = np.concatenate([clips(1), flow[..., None], 255 - flow[..., None]], axis=4).round().astype(np.uint8)
    stored = stored[..., -channels:]
    with ClipCache(str(tmp_path), clip_form(form, SAMPLING)) as cache:
        cache.write([clip_row(video(1), (1,), stored, form.fps)])
        (cached,) = cache.index().values()
        whole = cache.clips(cached)
        assert whole.shape == stored.shape
        assert np.abs(whole[..., -2:].astype(int) - stored[..., -2:]).mean() < 1
        np.testing.assert_array_equal(cache.clips(cached, 1), whole[1:2])
        if channels == 5:
            assert [read_number(image) for image in whole[2, :, :, :, :3]] == [120, 121, 122, 123]
    other = ClipCache(str(tmp_path), clip_form(replace(form, flow="tvl1"), SAMPLING))
    with other, pytest.raises(ClipCacheError, match="flow is dis, expected tvl1"):
        other.index()


def test_shards_have_a_limit_and_further_ones_are_added(
    cache: ClipCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.clips.cache, "MAX_SHARD_ROWS", 4)
    assert cache.write(rows(range(10))) == 3
    assert cache.write(rows(range(10, 12)), writer="7") == 1
    names = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert names == [*(f"part-0000{number}-0.parquet" for number in range(3)), "part-00003-7.parquet"]
    assert len(cache.index()) == 12
    assert read_number(cache.clips(cache.index()[video(11).id])[2, 3]) == 1123


def test_absent_and_changed_videos_are_missing(cache: ClipCache) -> None:
    cache.write(rows(range(6)))
    wanted = [video(number) for number in range(8)]
    assert cache.missing(wanted) == wanted[6:]
    changed = [video(2, "2"), *wanted[3:6]]
    assert cache.missing(changed) == changed[:1]
    assert cache.missing([replace(video(1), start_seconds=4)]) != []  # another part of it
    cache.write(rows(range(2, 3), "2"))
    assert cache.missing(changed) == []
    assert len(cache.index()) == 6


@pytest.mark.parametrize(
    ("clip_format", "sampling", "message"),
    [
        (replace(FORMAT, frames=5), SAMPLING, "frames is 4, expected 5"),
        (replace(FORMAT, fps=None), SAMPLING, "fps is 12.5, expected None"),
        (FORMAT, replace(SAMPLING, views=2), "views is 3, expected 2"),
        (FORMAT, replace(SAMPLING, short="pad"), "short is loop, expected pad"),
    ],
)
def test_a_cache_of_another_format_or_sampling_is_refused(
    clip_format: ClipFormat, sampling: ClipSampling, message: str, cache: ClipCache
) -> None:
    cache.write(rows(range(2)))
    other = ClipCache(cache.root, clip_form(clip_format, sampling))
    with other, pytest.raises(ClipCacheError, match=message):
        other.index()
    with other, pytest.raises(ClipCacheError, match=message):
        other.write(rows(range(2)))


def test_the_normalisation_of_pixels_does_not_matter(cache: ClipCache) -> None:
    cache.write(rows(range(2)))
    signed = ClipFormat(frames=4, height=48, width=96, resize=(48, 96), fps="12.5", **SIGNED)
    with ClipCache(cache.root, clip_form(signed, SAMPLING)) as same:
        assert len(same.index()) == 2


def test_other_files_are_refused(cache: ClipCache, tmp_path: Path) -> None:
    pandas.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with (
        ClipCache(str(tmp_path), clip_form(FORMAT, SAMPLING)) as other,
        pytest.raises(ClipCacheError, match="not a shard of clips"),
    ):
        other.index()


def test_other_programs_read_it(cache: ClipCache) -> None:
    cache.write(rows(range(5)))
    (path,) = Path(cache.root).iterdir()
    table = pandas.read_parquet(path)
    assert list(table["id"]) == [video(number).id for number in range(5)]
    assert len(table["frames"][0]) == 12
    query = f"select count(*), min(octet_length(frames[1])) > 100, min(fps) from '{path}'"
    assert duckdb.sql(query).fetchall() == [(5, True, 12.5)]
    assert pq.ParquetFile(path).num_row_groups == 2


def test_mouths_of_other_lengths_share_a_cache(tmp_path: Path) -> None:
    look = LipInput(height=48, width=96, channels=1)
    with ClipCache(str(tmp_path), mouth_form(look, None)) as cache:
        cache.write(clip_row(video(number), (), clips(0)[0][None, :number], look.fps) for number in (1, 4, 2))
        index = cache.index()
        assert [len(cache.clips(index[video(number).id])[0]) for number in (1, 4, 2)] == [1, 4, 2]
    with ClipCache(str(tmp_path), mouth_form(replace(look, channels=3, normalisation="unit"), None)) as same:
        assert len(same.index()) == 3  # what the network makes of pixels does not matter
    with (
        ClipCache(str(tmp_path), mouth_form(look, 2)) as other,
        pytest.raises(ClipCacheError, match="face is None, expected 2"),
    ):
        other.index()

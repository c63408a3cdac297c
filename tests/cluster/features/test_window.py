"""Windows give back the rows that went in: in any order, as batches, and after the buffer is reused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cluster.features.blocks import FeatureBlock
from cluster.features.window import FeatureBuffer, FeatureWindow, padded, window_of
from schemas.quantization import dequantize

COUNTS = (3, 0, 2, 4)  # frames of each video
OFFSETS = np.cumsum([0, *COUNTS])


def means(first: int, count: int, *, with_ids: bool = True) -> FeatureWindow:
    """Videos whose means hold their number, which is also their row."""
    numbers = np.arange(first, first + count, dtype=np.int64)
    rgb, audio = (np.repeat(numbers[:, None].astype(np.float32), width, axis=1) for width in (4, 2))
    ids = [f"v{number}" for number in numbers] if with_ids else ()
    return window_of(FeatureBlock(0, rgb, audio, numbers + 1, None, ids), first)


@pytest.fixture
def frames() -> FeatureWindow:
    """Four videos whose codes are 10 times the video's number, plus the frame's."""
    codes = np.concatenate([10 * video + np.arange(count) for video, count in enumerate(COUNTS)]).astype(np.uint8)
    rgb, audio = np.repeat(codes[:, None], 3, axis=1), np.repeat(codes[:, None], 2, axis=1)
    return window_of(FeatureBlock(5, rgb, audio, np.array(COUNTS), OFFSETS, list("abcd")), 100)


def codes_of(window: FeatureWindow) -> list[int]:
    assert (window.rgb[:, 0] == window.audio[:, 0]).all()
    return window.rgb[:, 0].tolist()


def test_rows_are_numbered_among_all_files(frames: FeatureWindow) -> None:
    assert frames.rows.tolist() == [105, 106, 107, 108]
    assert len(frames) == 4
    assert frames.size_bytes == 9 * 3 + 9 * 2


def test_a_part_has_its_own_frames_and_copies_nothing(frames: FeatureWindow) -> None:
    part = frames.part(1, 3)
    assert (part.rows.tolist(), list(part.ids)) == ([106, 107], ["b", "c"])
    assert (codes_of(part), part.frame_offsets is not None and part.frame_offsets.tolist()) == ([20, 21], [0, 0, 2])
    assert np.shares_memory(part.rgb, frames.rgb)


def test_rows_are_taken_in_the_given_order(frames: FeatureWindow) -> None:
    taken = frames.take(np.array([3, 0]))
    assert (taken.rows.tolist(), list(taken.ids)) == ([108, 105], ["d", "a"])
    assert codes_of(taken) == [30, 31, 32, 33, 0, 1, 2]
    assert taken.num_frames.tolist() == [4, 3]
    assert not np.shares_memory(taken.rgb, frames.rgb)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)])
def test_codes_and_floats_share_a_buffer(frames: FeatureWindow, order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    floats = replace(frames, rgb=rng.random((9, 3), np.float32), audio=rng.random((9, 2), np.float32))
    windows = [(frames, floats)[kind] for kind in order]
    buffer = FeatureBuffer()
    for _ in range(2):  # the second time in memory of the other kind
        for window in windows:
            buffer.add(window)
        whole = buffer.window()
        for number, window in enumerate(windows):
            found, alone = whole.part(4 * number, 4 * number + 4), window
            every = np.arange(4)
            for one, other in zip(found.batch(every, None).inputs, alone.batch(every, None).inputs, strict=True):
                assert torch.equal(one, other)
        buffer.clear()
        buffer.add(frames)
        assert buffer.window().rgb.dtype == np.uint8
        buffer.clear()


@pytest.mark.parametrize("max_frames", [None, 3])
def test_a_batch_of_frames_is_decoded_and_padded_with_zeros(frames: FeatureWindow, max_frames: int | None) -> None:
    batch = frames.batch(np.array([2, 3, 1]), max_frames)
    longest = max_frames or 4
    assert batch.rgb.shape == (3, longest, 3)
    assert batch.audio.shape == (3, longest, 2)
    assert batch.num_frames.tolist() == [2, longest, 0]
    assert batch.ids == ("c", "d", "b")
    expected = np.zeros((3, longest), np.float32)
    expected[0, :2] = dequantize(np.array([20, 21], np.uint8))
    expected[1] = dequantize(np.arange(30, 30 + longest).astype(np.uint8))
    np.testing.assert_array_equal(batch.rgb[:, :, 0].numpy(), expected)


def test_a_batch_of_means() -> None:
    batch = means(0, 5, with_ids=False).batch(np.array([4, 1]), None)
    assert (batch.rgb[:, 0].tolist(), batch.audio[:, 1].tolist()) == ([4, 1], [4, 1])
    assert batch.num_frames.tolist() == [5, 2]
    assert batch.ids == ()


def test_a_buffer_joins_what_was_added(frames: FeatureWindow) -> None:
    buffer = FeatureBuffer()
    assert (len(buffer), buffer.size_bytes) == (0, 0)
    buffer.add(frames.part(0, 2))
    buffer.add(frames.part(2, 4))
    joined = buffer.window()
    assert len(buffer) == 4
    assert buffer.size_bytes == joined.size_bytes == frames.size_bytes
    assert (codes_of(joined), list(joined.ids), joined.rows.tolist()) == (
        codes_of(frames),
        list(frames.ids),
        frames.rows.tolist(),
    )
    assert joined.frame_offsets is not None
    assert joined.frame_offsets.tolist() == OFFSETS.tolist()


@pytest.mark.parametrize("expected_rows", [0, 9])
def test_a_cleared_buffer_keeps_its_memory(expected_rows: int) -> None:
    buffer = FeatureBuffer(expected_rows)
    for first in (0, 2, 4):
        buffer.add(means(first, 2))
    whole = buffer.window()
    assert whole.rgb[:, 0].tolist() == whole.rows.tolist() == list(range(6))
    memory = whole.rgb
    buffer.clear()
    assert len(buffer) == 0
    buffer.add(means(7, 3))
    assert buffer.window().rgb[:, 0].tolist() == [7, 8, 9]
    assert np.shares_memory(buffer.window().rgb, memory)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_runs_of_frames_may_overlap(kind: type) -> None:
    """Also where there are as many frames in the runs as in all."""
    frames = np.arange(4, dtype=kind)[:, None]
    decoded = dequantize(frames)[:, 0] if kind == np.uint8 else frames[:, 0]
    found = padded(frames, np.array([0, 1, 3]), np.array([2, 2, 0]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :, 0], [decoded[:2], decoded[1:3], [0, 0]])

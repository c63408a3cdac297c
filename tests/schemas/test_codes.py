"""Codes stand for the same grid points however their runs are stored, and Arrow sees each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas import codes
from schemas.codes import Codes, code_lists

RNG = np.random.default_rng(0)


def some_codes(count: int, dim: int) -> Codes:
    return Codes(RNG.integers(0, 256, (count, dim), np.uint8), RNG.integers(1, 5, count))


def test_runs_of_equal_codes_are_stored_once() -> None:
    matrix = RNG.integers(0, 2, (200, 2), np.uint8)
    found = Codes.of(matrix)
    assert len(found.vectors) < len(found) == 200
    assert found.size_bytes == matrix.nbytes
    np.testing.assert_array_equal(found, matrix)
    counts = RNG.integers(1, 4, 200)
    np.testing.assert_array_equal(Codes.of(matrix, counts), np.repeat(matrix, counts, axis=0))


@pytest.mark.parametrize("count", [0, 1])
def test_few_codes(count: int) -> None:
    matrix = np.zeros((count, 3), np.uint8)
    assert np.shape(Codes.of(matrix)) == (count, 3)
    assert code_lists([Codes.of(matrix)]).to_pylist() == [[bytes(3)] * count]


def test_parts_follow_each_other() -> None:
    parts = [some_codes(count, 4) for count in (3, 0, 2)]
    np.testing.assert_array_equal(Codes.joined(parts), np.concatenate([np.asarray(part) for part in parts]))


@pytest.mark.parametrize(
    ("vectors", "counts"),
    [
        (np.zeros((2, 3), np.uint8), np.array([1])),
        (np.zeros((2, 3), np.uint8), np.array([1, 0])),
        (np.zeros((2, 3), np.uint8), np.array([1.0, 1.0])),
        (np.zeros((2, 3), np.float32), np.array([1, 1])),
        (np.zeros(2, np.uint8), np.array([1, 1])),
    ],
)
def test_what_are_no_codes_is_refused(vectors: np.ndarray, counts: np.ndarray) -> None:
    with pytest.raises(ValueError, match="code"):
        Codes(vectors, counts)


@pytest.mark.parametrize("dim", [1, 4, 12, 13, 1024])  # up to 12 bytes are in a view itself
@pytest.mark.parametrize("buffer_bytes", [1, 3 * 1024, 1 << 30])
def test_arrow_sees_every_grid_point(dim: int, buffer_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "MAX_BUFFER_BYTES", buffer_bytes)
    videos = [some_codes(count, dim) for count in (0, 3, 10, 1)]
    column = code_lists(videos)
    column.validate(full=True)
    assert column.to_pylist() == [[bytes(code) for code in np.asarray(video)] for video in videos]


def test_a_view_of_a_mapped_file_reads_the_file(tmp_path: Path) -> None:
    matrix = RNG.integers(0, 256, (5, 1024), np.uint8)
    (tmp_path / "codes").write_bytes(matrix)
    mapped = Codes(np.memmap(tmp_path / "codes", np.uint8, "r", shape=matrix.shape), np.array([1, 2, 1, 1, 1]))
    (tmp_path / "codes").unlink()
    assert code_lists([mapped]).to_pylist() == [[bytes(matrix[row]) for row in (0, 1, 1, 2, 3, 4)]]


def test_a_claim_takes_no_memory_of_its_own() -> None:
    weeks = Codes(RNG.integers(0, 256, (1, 1024), np.uint8), np.array([2_000_000]))
    (column,) = code_lists([weeks]).flatten().buffers()[2:]
    assert column.size == 1024
    assert weeks.size_bytes == 2_048_000_000

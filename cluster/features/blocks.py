"""Reads the features of a file in blocks of consecutive rows, as arrays, without a loop over rows.

In: a `FeatureFile`, its row groups to read, and the level (means or frames). Out: `FeatureBlock`s, whose codes are of
YouTube-8M's range; others are decoded here. Features that are missing, of a wrong width, NaN or infinite are refused:
they would spoil a model silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cluster.features.files import (
    FRAME,
    VIDEO,
    FeatureFile,
    FeatureFileError,
    as_feature_error,
    whole_parquet,
)
from cluster.features.gaps import Gap, gaps_of_column, gaps_of_records
from cluster.features.plain_vectors import plain_vectors, rows_between
from cluster.features.tfrecord_reader import read_records
from cluster.storage.files import is_local, local_path, on_disk
from schemas.errors import examples
from schemas.quantization import YOUTUBE_8M_RANGE, dequantize

Array = NDArray[np.float32]
BLOCK_ROWS = {VIDEO: 512, FRAME: 16}  # a few MB, small enough for allocators to reuse the memory
BATCH_RECORDS = {VIDEO: 1024, FRAME: 64}


@dataclass(frozen=True)
class FeatureBlock:
    """N consecutive rows of a file, from row `start` on.

    rgb, audio     (N, D) float32 means; or (F, D) uint8 codes or float32 of the F frames of all N videos
    frame_offsets  (N + 1,) int64: where each video's frames start; None for means
    num_frames     (N,) int64
    ids            N ids, or empty unless requested
    gaps           of each of the N videos; empty unless requested, and where a file knows of none
    """

    start: int
    rgb: NDArray[Any]
    audio: NDArray[Any]
    num_frames: NDArray[np.int64]
    frame_offsets: NDArray[np.int64] | None = None
    ids: Sequence[str] = ()
    gaps: Sequence[Sequence[Gap]] = ()

    def __len__(self) -> int:
        return len(self.num_frames)


def read_blocks(
    file: FeatureFile, level: str, row_groups: Sequence[int], *, with_ids: bool = False, with_gaps: bool = False
) -> Iterator[FeatureBlock]:
    """The rows of `row_groups`, in the order given.

    Raises:
        FeatureFileError: for a damaged file, and for features that are missing, of a wrong width, NaN or infinite.
    """
    blocks = _parquet_blocks if file.is_parquet else _record_blocks
    for block in blocks(file, level, row_groups, with_ids, with_gaps):
        if block.rgb.dtype != np.uint8 and not _is_finite(block):
            raise FeatureFileError(_not_finite_message(file, level))
        if block.rgb.dtype == np.uint8 and file.code_range != YOUTUBE_8M_RANGE:
            rgb, audio = (dequantize(codes, file.code_range) for codes in (block.rgb, block.audio))
            block = replace(block, rgb=rgb, audio=audio)
        yield block


def _parquet_blocks(
    file: FeatureFile, level: str, row_groups: Sequence[int], with_ids: bool, with_gaps: bool
) -> Iterator[FeatureBlock]:
    rgb: NDArray[Any]
    audio: NDArray[Any]
    names = ("mean_rgb", "mean_audio") if level == VIDEO else ("rgb", "audio")
    columns = [*names, "num_frames", *(["id"] if with_ids else []), *(["gaps"] if with_gaps else [])]
    first_rows = np.cumsum([0, *file.row_groups])
    with whole_parquet(file.uri, columns) as parquet:
        plain = _Plain.of(file, parquet) if level == VIDEO and not with_gaps else None
        if with_gaps and "gaps" not in parquet.schema_arrow.names:  # as in the first shards
            columns.remove("gaps")
        for group in row_groups:
            start = int(first_rows[group])
            if plain is not None and (vectors := plain.vectors(group)) is not None:
                yield from _plain_blocks(parquet, group, start, vectors, with_ids=with_ids)
                continue
            for batch in parquet.iter_batches(BLOCK_ROWS[level], [group], columns, use_threads=False):
                ids = batch.column("id").to_pylist() if with_ids else ()
                counts = batch.column("num_frames").to_numpy(zero_copy_only=False).astype(np.int64)
                if level == VIDEO:
                    rgb, audio = (_means(batch.column(name), name, file.uri) for name in names)
                    offsets = None
                else:
                    rgb, offsets = codes_of_column(batch.column("rgb"), file.rgb_dim, "rgb", file.uri)
                    audio, audio_offsets = codes_of_column(batch.column("audio"), file.audio_dim, "audio", file.uri)
                    counts = np.diff(offsets)
                    _check_lengths(counts, np.diff(audio_offsets), start, file.uri)
                gaps = gaps_of_column(batch.column("gaps"), file.uri) if "gaps" in columns else ()
                yield FeatureBlock(start, rgb, audio, counts, offsets, ids, gaps)
                start += len(batch)


@dataclass(frozen=True)
class _Plain:
    """A shard on this machine, mapped into memory to read its means from their pages."""

    file: FeatureFile
    metadata: pq.FileMetaData
    content: memoryview

    @classmethod
    def of(cls, file: FeatureFile, parquet: pq.ParquetFile) -> _Plain | None:
        """The file that `parquet` has opened; None where it is in a bucket, or another is at its path by now."""
        if not is_local(file.uri):
            return None
        with open(local_path(file.uri), "rb") as opened:
            content = memoryview(mmap(opened.fileno(), 0, access=ACCESS_READ))
        metadata = pq.read_metadata(pa.BufferReader(pa.py_buffer(content)))
        return cls(file, metadata, content) if metadata.equals(parquet.metadata) else None

    def vectors(self, group: int) -> tuple[list[Array], list[Array]] | None:
        """The pages of both means of a row group; None where pyarrow has to read them."""
        rgb = plain_vectors(self.metadata, self.content, group, "mean_rgb", self.file.rgb_dim)
        audio = plain_vectors(self.metadata, self.content, group, "mean_audio", self.file.audio_dim)
        return None if rgb is None or audio is None else (rgb, audio)


def _plain_blocks(
    parquet: pq.ParquetFile, group: int, start: int, vectors: tuple[list[Array], list[Array]], *, with_ids: bool
) -> Iterator[FeatureBlock]:
    columns = parquet.read_row_group(group, ["num_frames", *(["id"] if with_ids else [])], use_threads=False)
    counts = columns["num_frames"].to_numpy().astype(np.int64)
    for first in range(0, len(counts), BLOCK_ROWS[VIDEO]):
        rows = slice(first, min(first + BLOCK_ROWS[VIDEO], len(counts)))
        rgb, audio = (rows_between(pages, rows.start, rows.stop) for pages in vectors)
        ids = columns["id"][rows].to_pylist() if with_ids else ()
        yield FeatureBlock(start + first, rgb, audio, counts[rows], ids=ids)


def _means(column: pa.FixedSizeListArray, name: str, uri: str) -> NDArray[np.float32]:
    values = column.flatten()
    if column.null_count or values.null_count:
        raise FeatureFileError(f"{uri}: {name} is missing (null) in some rows")
    matrix: NDArray[np.float32] = values.to_numpy().reshape(len(column), -1)
    return matrix


def codes_of_column(column: pa.ListArray, dim: int, name: str, uri: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The codes (F, dim) of a column, `rgb` or `audio`, and the offsets (N + 1,) of its N videos among them."""
    offsets = column.offsets.to_numpy().astype(np.int64)
    values = column.flatten()
    if column.null_count or values.null_count:
        raise FeatureFileError(f"{uri}: {name} is missing (null) in some rows")
    _, ends, data = values.buffers()
    offset_type = np.int64 if pa.types.is_large_binary(values.type) else np.int32  # the latter up to version 3
    bounds = np.frombuffer(ends, offset_type)[values.offset : values.offset + len(values) + 1]
    wrong = np.flatnonzero(np.diff(bounds) != dim)
    if len(wrong):
        raise FeatureFileError(f"{uri}: a code in {name} has {np.diff(bounds)[wrong[0]]} bytes, expected {dim}")
    flat = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.zeros(0, np.uint8)
    return flat.reshape(-1, dim), offsets - offsets[0]


def _check_lengths(rgb: NDArray[np.int64], audio: NDArray[np.int64], start: int, uri: str) -> None:
    wrong = np.flatnonzero(rgb != audio)
    if len(wrong):
        row = wrong[0]
        raise FeatureFileError(f"{uri}, row {start + row}: {rgb[row]} frames in rgb but {audio[row]} in audio")


def _record_blocks(
    file: FeatureFile, level: str, row_groups: Sequence[int], with_ids: bool, with_gaps: bool
) -> Iterator[FeatureBlock]:
    start = 0
    with on_disk(file.uri) as path, as_feature_error():
        for _ in row_groups:  # a file of records has one
            for records in read_records(path, file.uri, BATCH_RECORDS[file.levels[-1]], file.code_range):
                ids = records.ids if with_ids else ()
                gaps = gaps_of_records(records.extras, file.uri) if with_gaps else ()
                if level == VIDEO:
                    rgb, audio, counts = *records.means(), records.num_frames()
                    yield FeatureBlock(start, rgb, audio, counts, None, ids, gaps)
                else:
                    counts = records.num_frames()
                    yield FeatureBlock(start, records.rgb, records.audio, counts, records.frame_offsets, ids, gaps)
                start += len(records)


def _is_finite(block: FeatureBlock) -> bool:
    # A sum of squares detects any NaN in one pass, without a mask. It overflows above 1e18; then check the values.
    for values in (block.rgb, block.audio):
        flat = values.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            square = np.dot(flat, flat)
        if not np.isfinite(square) and not np.isfinite(flat).all():
            return False
    return True


def _not_finite_message(file: FeatureFile, level: str) -> str:
    bad: list[str] = []
    blocks = _parquet_blocks if file.is_parquet else _record_blocks
    for block in blocks(file, level, range(len(file.row_groups)), True, False):
        wrong = ~(np.isfinite(block.rgb).all(axis=1) & np.isfinite(block.audio).all(axis=1))
        if block.frame_offsets is not None:
            of_frame = np.repeat(np.arange(len(block)), np.diff(block.frame_offsets))
            wrong = np.bincount(of_frame[wrong], minlength=len(block)) > 0
        bad += [block.ids[row] for row in np.flatnonzero(wrong).tolist()]
    return (
        f"{file.uri}: {len(bad)} of {file.rows} videos have features that are NaN or infinite: {examples(bad)}\n"
        "Extract them again, or remove them from the dataset"
    )

"""Feature files as they lie in folders and buckets: what they hold, checked, and their rows in blocks.

In: URIs of our datasets, folders, globs or single files; feature shards (`.parquet`) or YouTube-8M's `.tfrecord`, not
both together. Out: `FeatureFiles`, what is common to all, and blocks of rows as arrays, without a loop over rows.

Files in buckets are fetched to a temporary file, one after another, when their rows are wanted; a first look at a shard
reads its footer alone. Features that are NaN or infinite are refused: a model trained on them would be worth nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from classifiers.class_choice import LabelLists
from cluster import storage, tfrecord_files
from cluster.dataset import FINGERPRINT_KEY
from cluster.listing import list_files

PARQUET, TFRECORD = ".parquet", ".tfrecord"
VIDEO, FRAME = "video", "frame"
LEVELS = (VIDEO, FRAME)
# So many bytes are read of a column at a time; without it, Arrow loads a row group's whole column first.
BUFFER_BYTES = 1 << 20
BLOCK_ROWS = {VIDEO: 512, FRAME: 16}  # a few MB, for which allocators use the same memory again
RECORDS_AT_ONCE = {VIDEO: 1024, FRAME: 64}
MAX_REQUESTS = 16  # at the same time
EXAMPLES = 5  # that an error names


class FeatureFileError(Exception):
    """Files that cannot be used as features; the message says which, why and what to do."""


@dataclass(frozen=True)
class FeatureFile:
    """One file; `row_groups` are the rows of each part that can be read by itself."""

    uri: str
    row_groups: tuple[int, ...]
    rgb_dim: int
    audio_dim: int
    levels: tuple[str, ...]
    fingerprint: Mapping[str, str]

    @property
    def rows(self) -> int:
        """How many videos there are."""
        return sum(self.row_groups)

    @property
    def is_parquet(self) -> bool:
        """Whether it is a shard of ours, and not YouTube-8M's."""
        return self.uri.endswith(PARQUET)


@dataclass(frozen=True)
class FeatureBlock:
    """n neighbouring rows of a file, from row `start` on.

    rgb, audio     float32 (n, D) means; or of the F frames of all n videos, (F, D), uint8 codes or float32
    frame_offsets  (n + 1,) int64: where each video's frames start; None for means
    num_frames     (n,) int64
    ids            n of them, or empty where nobody asked
    """

    start: int
    rgb: NDArray[Any]
    audio: NDArray[Any]
    num_frames: NDArray[np.int64]
    frame_offsets: NDArray[np.int64] | None = None
    ids: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.num_frames)


@dataclass(frozen=True)
class FeatureIndex:
    """What is known of all N rows without their features, in the order of the files."""

    ids: list[str]
    labels: LabelLists


@dataclass(frozen=True)
class FeatureFiles:
    """Files whose features may be used together. `first_rows[i]` rows come before those of `files[i]`."""

    files: tuple[FeatureFile, ...]
    first_rows: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many videos there are."""
        return sum(file.rows for file in self.files)

    @property
    def rgb_dim(self) -> int:
        """Width of the picture features."""
        return self.files[0].rgb_dim

    @property
    def audio_dim(self) -> int:
        """Width of the sound features."""
        return self.files[0].audio_dim

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """How the features were made, the same in all files."""
        return self.files[0].fingerprint

    @property
    def levels(self) -> tuple[str, ...]:
        """What all files hold: means (`video`), features of every frame (`frame`)."""
        return tuple(level for level in LEVELS if all(level in file.levels for file in self.files))


def open_features(uris: Sequence[str], *, fingerprint: Mapping[str, str] | None = None) -> FeatureFiles:
    """Look at all files below `uris` and make sure that they belong together.

    fingerprint  that they must have, such as that of a checkpoint

    Raises:
        FeatureFileError: where there are none, wrong columns or widths, or features made in different ways.
    """
    names = [name for uri in uris for name in _feature_uris(uri)]
    if not names:
        raise FeatureFileError(f"no {PARQUET} or {TFRECORD} file in {', '.join(uris) or 'nothing'}")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise FeatureFileError(f"files are given more than once: {', '.join(twice[:EXAMPLES])}")
    if len({name.endswith(PARQUET) for name in names}) > 1:
        raise FeatureFileError(f"{PARQUET} and {TFRECORD} files are mixed in {', '.join(uris)}: give one kind")
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        files = [file for file in pool.map(_inspect, names) if file.rows]
    if not files:
        raise FeatureFileError(f"the {len(names)} files in {', '.join(uris)} hold no video")
    _check_common(files, fingerprint)
    first_rows = np.cumsum([0, *(file.rows for file in files[:-1])]).tolist()
    return FeatureFiles(tuple(files), tuple(first_rows))


def read_index(features: FeatureFiles) -> FeatureIndex:
    """Ids and labels of all rows; features are not read from shards."""
    ids: list[str] = []
    counts: list[NDArray[np.int64]] = []
    values: list[NDArray[np.int64]] = []
    for file in features.files:
        for names, labels in _index_of(file):
            ids += names
            counts.append(np.diff(labels.offsets))
            values.append(labels.values)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    return FeatureIndex(ids, LabelLists(offsets, np.concatenate(values).astype(np.int64)))


def read_ids(file: FeatureFile) -> pa.StringArray:
    """The ids of a file's rows; of a shard nothing else is read, which spares a bucket's traffic."""
    if not file.is_parquet:
        return pa.array([name for names, _ in _index_of(file) for name in names], pa.string())
    with _parquet_footer(file.uri) as parquet, _as_feature_error(file.uri):
        ids = parquet.read(["id"], use_threads=False)["id"]
    if ids.null_count:
        raise FeatureFileError(f"{file.uri}: ids are missing (null)")
    return ids.combine_chunks()


def read_column(features: FeatureFiles, name: str) -> list[str]:
    """A column of text that somebody has added to the shards, such as `split`; empty where it is null."""
    values: list[str] = []
    for file in features.files:
        if not file.is_parquet:
            raise FeatureFileError(f"{file.uri} has no column {name!r}: only {PARQUET} files can have one")
        with _parquet(file.uri) as parquet:
            if name not in parquet.schema_arrow.names:
                raise FeatureFileError(f"{file.uri} has no column {name!r}: {', '.join(parquet.schema_arrow.names)}")
            values += ["" if value is None else str(value) for value in parquet.read([name])[name].to_pylist()]
    return values


def read_uris(features: FeatureFiles, ids: Collection[str]) -> dict[str, str]:
    """Where some of the videos are, by their ids; those of `.tfrecord` files, which do not say, are left out."""
    wanted = pa.array(sorted(ids), pa.string())
    found: dict[str, str] = {}
    for file in features.files:
        if len(found) == len(wanted) or not file.is_parquet:
            break
        with _parquet_footer(file.uri) as parquet:
            if "uri" in parquet.schema_arrow.names:
                table = parquet.read(["id", "uri"])
                rows = table.filter(pc.is_in(table["id"], wanted))
                found |= zip(rows["id"].to_pylist(), rows["uri"].to_pylist(), strict=True)
    return {name: uri for name, uri in found.items() if uri}


def read_blocks(
    file: FeatureFile, level: str, row_groups: Sequence[int], *, with_ids: bool = False
) -> Iterator[FeatureBlock]:
    """The rows of some row groups, in the order given.

    Raises:
        FeatureFileError: for a damaged file, and for features that are missing, of a wrong width, NaN or infinite.
    """
    blocks = _parquet_blocks if file.is_parquet else _record_blocks
    for block in blocks(file, level, row_groups, with_ids):
        if block.rgb.dtype != np.uint8 and not _is_finite(block):
            raise FeatureFileError(_not_finite_message(file, level))
        yield block


def _feature_uris(uri: str) -> list[str]:
    inside = storage.join(uri, "features")
    try:
        found = [file.uri for file in list_files(inside if storage.exists(inside) else uri)]
    except FileNotFoundError as error:
        raise FeatureFileError(f"{uri} is not there") from error
    return [name for name in found if name.endswith((PARQUET, TFRECORD))]


def _inspect(uri: str) -> FeatureFile:
    return _inspect_parquet(uri) if uri.endswith(PARQUET) else _inspect_records(uri)


def _inspect_records(uri: str) -> FeatureFile:
    with on_disk(uri) as path, _as_feature_error():
        found = tfrecord_files.inspect_records(path, uri)
    levels = LEVELS if found.level == FRAME else (VIDEO,)
    return FeatureFile(uri, (found.records,), found.rgb_dim, found.audio_dim, levels, found.fingerprint)


def _inspect_parquet(uri: str) -> FeatureFile:
    with _parquet_footer(uri) as parquet:
        schema, metadata = parquet.schema_arrow, parquet.metadata
        groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    problems = []
    widths = {}
    for name, expected in (("id", pa.string()), ("labels", pa.list_(pa.int32())), ("num_frames", pa.int32())):
        found = schema.field(name).type if name in schema.names else None
        if found is None:
            problems.append(f"column {name} is missing")
        elif not _is_like(found, expected):
            problems.append(f"column {name} is {found}, not {expected}")
    for name in ("mean_rgb", "mean_audio"):
        found = schema.field(name).type if name in schema.names else None
        if found is not None and pa.types.is_fixed_size_list(found) and found.value_type == pa.float32():
            widths[name] = found.list_size
        else:
            problems.append(f"column {name} is {found or 'missing'}, not fixed_size_list<float>")
    frames = [name for name in ("rgb", "audio") if name in schema.names]
    problems += [
        f"column {name} is {schema.field(name).type}, not list<binary>"
        for name in frames
        if not _is_like(schema.field(name).type, pa.list_(pa.binary()))
    ]
    if problems:
        raise FeatureFileError(f"{uri} is no feature shard: {'; '.join(problems)}\nIt has {', '.join(schema.names)}")
    try:
        fingerprint = json.loads((schema.metadata or {}).get(FINGERPRINT_KEY, b"{}"))
    except ValueError as error:
        raise FeatureFileError(f"{uri}: the fingerprint in its metadata is no JSON: {error}") from error
    levels = LEVELS if len(frames) == 2 else (VIDEO,)
    return FeatureFile(uri, groups, widths["mean_rgb"], widths["mean_audio"], levels, fingerprint)


def _is_like(found: pa.DataType, expected: pa.DataType) -> bool:
    if pa.types.is_list(found) and pa.types.is_list(expected):  # names of items differ by writer
        return bool(found.value_type == expected.value_type)
    return bool(found == expected)


def _check_common(files: Sequence[FeatureFile], fingerprint: Mapping[str, str] | None) -> None:
    expected = files[0].fingerprint if fingerprint is None else fingerprint
    origin = files[0].uri if fingerprint is None else "the model"
    for file in files:
        if (file.rgb_dim, file.audio_dim) != (files[0].rgb_dim, files[0].audio_dim):
            raise FeatureFileError(
                f"features of different widths: {files[0].uri} has {files[0].rgb_dim} + {files[0].audio_dim}, "
                f"{file.uri} has {file.rgb_dim} + {file.audio_dim}"
            )
        different = [
            f"  - {key}: {expected.get(key, 'not set')} and {file.fingerprint.get(key, 'not set')}"
            for key in sorted({*expected, *file.fingerprint})
            if expected.get(key) != file.fingerprint.get(key)
        ]
        if different:
            raise FeatureFileError(
                f"features of {origin} and {file.uri} were made in different ways, and do not match:\n"
                + "\n".join(different)
                + "\nExtract both with the same options"
            )


def _index_of(file: FeatureFile) -> Iterator[tuple[list[str], LabelLists]]:
    if not file.is_parquet:
        with on_disk(file.uri) as path, _as_feature_error():
            for block in tfrecord_files.read_records(path, file.uri):
                yield block.ids, block.labels
        return
    with _parquet(file.uri) as parquet:
        for batch in parquet.iter_batches(1 << 16, columns=["id", "labels"], use_threads=False):
            labels = batch.column("labels")
            if batch.column("id").null_count or labels.null_count or labels.flatten().null_count:
                raise FeatureFileError(f"{file.uri}: ids or labels are missing (null)")
            offsets = labels.offsets.to_numpy().astype(np.int64)
            values = labels.flatten().to_numpy().astype(np.int64)
            yield batch.column("id").to_pylist(), LabelLists(offsets - offsets[0], values)


def _parquet_blocks(file: FeatureFile, level: str, row_groups: Sequence[int], with_ids: bool) -> Iterator[FeatureBlock]:
    rgb: NDArray[Any]
    audio: NDArray[Any]
    names = ("mean_rgb", "mean_audio") if level == VIDEO else ("rgb", "audio")
    columns = [*names, "num_frames", *(["id"] if with_ids else [])]
    firsts = np.cumsum([0, *file.row_groups])
    with _parquet(file.uri) as parquet:
        for group in row_groups:
            start = int(firsts[group])
            for batch in parquet.iter_batches(BLOCK_ROWS[level], [group], columns, use_threads=False):
                ids = batch.column("id").to_pylist() if with_ids else ()
                counts = batch.column("num_frames").to_numpy(zero_copy_only=False).astype(np.int64)
                if level == VIDEO:
                    rgb, audio = (_means(batch.column(name), name, file.uri) for name in names)
                    offsets = None
                else:
                    rgb, offsets = _codes(batch.column("rgb"), file.rgb_dim, "rgb", file.uri)
                    audio, others = _codes(batch.column("audio"), file.audio_dim, "audio", file.uri)
                    counts = np.diff(offsets)
                    _check_lengths(counts, np.diff(others), start, file.uri)
                yield FeatureBlock(start, rgb, audio, counts, offsets, ids)
                start += len(batch)


def _means(column: pa.FixedSizeListArray, name: str, uri: str) -> NDArray[np.float32]:
    values = column.flatten()
    if column.null_count or values.null_count:
        raise FeatureFileError(f"{uri}: {name} is missing (null) in some rows")
    matrix: NDArray[np.float32] = values.to_numpy().reshape(len(column), -1)
    return matrix


def _codes(column: pa.ListArray, dim: int, name: str, uri: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    offsets = column.offsets.to_numpy().astype(np.int64)
    values = column.flatten()
    if column.null_count or values.null_count:
        raise FeatureFileError(f"{uri}: {name} is missing (null) in some rows")
    _, ends, data = values.buffers()
    bounds = np.frombuffer(ends, np.int32)[values.offset : values.offset + len(values) + 1]
    wrong = np.flatnonzero(np.diff(bounds) != dim)
    if len(wrong):
        raise FeatureFileError(f"{uri}: a code in {name} is {np.diff(bounds)[wrong[0]]} bytes wide, others {dim}")
    flat = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.zeros(0, np.uint8)
    return flat.reshape(-1, dim), offsets - offsets[0]


def _check_lengths(rgb: NDArray[np.int64], audio: NDArray[np.int64], start: int, uri: str) -> None:
    wrong = np.flatnonzero(rgb != audio)
    if len(wrong):
        at = wrong[0]
        raise FeatureFileError(f"{uri}, row {start + at}: {rgb[at]} picture features but {audio[at]} of sound")


def _record_blocks(file: FeatureFile, level: str, row_groups: Sequence[int], with_ids: bool) -> Iterator[FeatureBlock]:
    start = 0
    with on_disk(file.uri) as path, _as_feature_error():
        for _ in row_groups:  # there is one
            for records in tfrecord_files.read_records(path, file.uri, RECORDS_AT_ONCE[file.levels[-1]]):
                ids = records.ids if with_ids else ()
                if level == VIDEO:
                    rgb, audio, counts = *records.means(), records.num_frames()
                    yield FeatureBlock(start, rgb, audio, counts, None, ids)
                else:
                    counts = records.num_frames()
                    yield FeatureBlock(start, records.rgb, records.audio, counts, records.frame_offsets, ids)
                start += len(records)


def _is_finite(block: FeatureBlock) -> bool:
    # A sum of squares shows any NaN, in one pass and without a mask. It overflows above 1e18: then the values decide.
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
    for block in blocks(file, level, range(len(file.row_groups)), True):
        wrong = ~(np.isfinite(block.rgb).all(axis=1) & np.isfinite(block.audio).all(axis=1))
        if block.frame_offsets is not None:
            of_frame = np.repeat(np.arange(len(block)), np.diff(block.frame_offsets))
            wrong = np.bincount(of_frame[wrong], minlength=len(block)) > 0
        bad += [block.ids[row] for row in np.flatnonzero(wrong).tolist()]
    shown = ", ".join(map(repr, bad[:EXAMPLES])) + (" …" if len(bad) > EXAMPLES else "")
    return (
        f"{file.uri}: {len(bad)} of {file.rows} videos have features that are NaN or infinite: {shown}\n"
        "Extract them again, or take them out"
    )


@contextmanager
def on_disk(uri: str) -> Iterator[str]:
    """The path of a file on this machine's disk; one in a bucket is fetched, and gone afterwards."""
    if storage.is_local(uri):
        yield storage.local_path(uri)
        return
    fs, path = storage.filesystem(uri)
    with TemporaryDirectory(prefix="framemill-") as folder:
        copy = storage.join(folder, "features")
        storage.answer(uri, lambda: fs.get_file(path, copy))
        yield copy


@contextmanager
def _parquet(uri: str) -> Iterator[pq.ParquetFile]:
    with on_disk(uri) as path, _as_feature_error(uri), pq.ParquetFile(path, buffer_size=BUFFER_BYTES) as parquet:
        yield parquet


@contextmanager
def _parquet_footer(uri: str) -> Iterator[pq.ParquetFile]:
    if storage.is_local(uri):
        with _parquet(uri) as parquet:
            yield parquet
        return
    fs, path = storage.filesystem(uri)
    with _as_feature_error(uri), storage.answer(uri, lambda: fs.open(path)) as file, pq.ParquetFile(file) as parquet:
        yield parquet


@contextmanager
def _as_feature_error(uri: str = "") -> Iterator[None]:
    try:
        yield
    except tfrecord_files.RecordError as error:
        raise FeatureFileError(str(error)) from error
    except (pa.ArrowException, OSError) as error:  # a damaged page is an OSError
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise FeatureFileError(f"{uri} cannot be read: {error}\nMove it away, or write it again") from error

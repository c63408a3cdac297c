"""Opens feature files in folders and buckets and checks that they can be used together.

In: URIs of our datasets, folders, globs or single files; feature shards (`.parquet`) or YouTube-8M's `.tfrecord`, not
both. Out: `FeatureFiles`.

Files that a compaction has replaced are left out, whichever of them are still there (`cluster.features.current`).

Inspecting a shard reads its footer only. A file in a bucket is downloaded to a temporary file where most of it is read.
No column is decoded that claims more than the file can hold (`cluster.storage.parquet_claims`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.features import tfrecord_files
from cluster.features.current import current_files
from cluster.storage import files
from cluster.storage.files import on_disk
from cluster.storage.listing import list_files
from cluster.storage.parquet import open_parquet
from cluster.storage.parquet_claims import check_file
from cluster.storage.tfrecords import TFRECORD, RecordError, is_tfrecord
from schemas.errors import InputError, examples
from schemas.fingerprint import fingerprint_of
from schemas.quantization import CodeRange, code_range_of
from schemas.replaced import replaced_by

PARQUET = ".parquet"
CODE_TYPES = (pa.large_binary(), pa.binary())  # the latter up to version 3
VIDEO, FRAME = "video", "frame"
LEVELS = (VIDEO, FRAME)
# Bytes of a column that are read at a time; without it, Arrow loads a row group's whole column first.
BUFFER_BYTES = 1 << 20
DECODED_BYTES = 1 << 30  # that a shard of any size may take: ten days of a picture that stands still, at 1 fps
MAX_REQUESTS = 16  # concurrent ones


class FeatureFileError(InputError):
    """Unusable feature files; the message says which, why and what to do."""


@dataclass(frozen=True)
class FeatureFile:
    """One file; `row_groups` has the number of rows in each part that can be read separately.

    frames  of all videos together, at most; 0 where there are means alone
    """

    uri: str
    row_groups: tuple[int, ...]
    rgb_dim: int
    audio_dim: int
    levels: tuple[str, ...]
    fingerprint: Mapping[str, str]
    frames: int = 0

    @property
    def rows(self) -> int:
        """Number of videos."""
        return sum(self.row_groups)

    @property
    def is_parquet(self) -> bool:
        """Whether it is a feature shard, not a file of YouTube-8M's records."""
        return self.uri.endswith(PARQUET)

    @property
    def code_range(self) -> CodeRange:
        """The range of its codes."""
        return code_range_of(self.fingerprint)


@dataclass(frozen=True)
class FeatureFiles:
    """Files whose features match. `first_rows[i]` is the number of rows before those of `files[i]`."""

    files: tuple[FeatureFile, ...]
    first_rows: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Number of videos."""
        return sum(file.rows for file in self.files)

    @property
    def rgb_dim(self) -> int:
        """Width of the visual features."""
        return self.files[0].rgb_dim

    @property
    def audio_dim(self) -> int:
        """Width of the audio features."""
        return self.files[0].audio_dim

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """The extractor's fingerprint, the same in all files."""
        return self.files[0].fingerprint

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that all files hold: means (`video`), features of every frame (`frame`)."""
        return tuple(level for level in LEVELS if all(level in file.levels for file in self.files))


def open_features(
    uris: Sequence[str], *, fingerprint: Mapping[str, str] | None = None, code_range: CodeRange | None = None
) -> FeatureFiles:
    """Inspect all files below `uris` and check that they match.

    fingerprint  the one they must have, such as a checkpoint's; None for any
    code_range   that of the codes in records; None for the one that files record, or YouTube-8M's

    Raises:
        FeatureFileError: for no file, missing columns, other types or widths, or different fingerprints.
    """
    found = current_files(partial(_names_in, uris), partial(_inspect, code_range=code_range))
    inspected = [file for file in found if file.rows]
    if not inspected:
        raise FeatureFileError(f"the {len(found)} files in {', '.join(uris)} hold no video")
    _check_common(inspected, fingerprint)
    first_rows = np.cumsum([0, *(file.rows for file in inspected[:-1])]).tolist()
    return FeatureFiles(tuple(inspected), tuple(first_rows))


@contextmanager
def whole_parquet(uri: str, columns: Collection[str] | None = None) -> Iterator[pq.ParquetFile]:
    """Open a shard to read these columns (None: all), most of it: one in a bucket is downloaded first."""
    with on_disk(uri) as path, as_feature_error(uri), pq.ParquetFile(path, buffer_size=BUFFER_BYTES) as parquet:
        try:
            check_file(parquet.metadata, path, columns, DECODED_BYTES)
        except ValueError as error:
            raise FeatureFileError(f"{uri} cannot be read: {error}\nMove it away, or create it again") from error
        yield parquet


@contextmanager
def parquet_footer(uri: str, columns: Collection[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a shard to read these columns, little of it: only that is requested from a bucket."""
    if files.is_local(uri):
        with whole_parquet(uri, columns) as parquet:
            yield parquet
        return
    with as_feature_error(uri), open_parquet(uri) as parquet:
        yield parquet


@contextmanager
def as_feature_error(uri: str = "") -> Iterator[None]:
    """Raise a `FeatureFileError` for an unreadable file; a missing or forbidden one keeps its exception."""
    try:
        yield
    except RecordError as error:
        raise FeatureFileError(str(error)) from error
    except (pa.ArrowException, OSError) as error:  # a damaged page is an OSError
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise FeatureFileError(f"{uri} cannot be read: {error}\nMove it away, or create it again") from error


def _names_in(uris: Sequence[str]) -> list[str]:
    """The URIs of all files, as they are now."""
    names = [name for uri in uris for name in _feature_uris(uri)]
    if not names:
        raise FeatureFileError(f"no {PARQUET} or {TFRECORD} file in {', '.join(uris) or 'nothing'}")
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise FeatureFileError(f"files are given more than once: {examples(repeated, str)}")
    if len({name.endswith(PARQUET) for name in names}) > 1:
        raise FeatureFileError(f"{PARQUET} and {TFRECORD} files are mixed in {', '.join(uris)}: give one kind")
    return names


def _feature_uris(uri: str) -> list[str]:
    inside = files.join(uri, "features")
    try:
        found = [file.uri for file in list_files(inside if files.exists(inside) else uri)]
    except FileNotFoundError as error:
        raise FeatureFileError(f"{uri} does not exist") from error
    return [name for name in found if name.endswith(PARQUET) or is_tfrecord(name)]


def _inspect(uri: str, code_range: CodeRange | None) -> tuple[FeatureFile, list[str]]:
    """A file, and the URIs of those that it has replaced."""
    if not uri.endswith(PARQUET):
        return _inspect_records(uri, code_range), []
    file, replaced = _inspect_parquet(uri)
    if code_range not in (None, file.code_range):
        raise FeatureFileError(f"the codes of {uri} are of the range {file.code_range}, not {code_range}")
    return file, replaced


def _inspect_records(uri: str, code_range: CodeRange | None) -> FeatureFile:
    with on_disk(uri) as path, as_feature_error():
        found = tfrecord_files.inspect_records(path, uri, code_range)
        size_bytes = os.path.getsize(path)
    if found.level == VIDEO:
        return FeatureFile(uri, (found.records,), found.rgb_dim, found.audio_dim, (VIDEO,), found.fingerprint)
    frames = size_bytes // (found.rgb_dim + found.audio_dim)  # of a byte for each value, or more
    return FeatureFile(uri, (found.records,), found.rgb_dim, found.audio_dim, LEVELS, found.fingerprint, frames)


def _inspect_parquet(uri: str) -> tuple[FeatureFile, list[str]]:
    with parquet_footer(uri) as parquet:
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
            if found.list_size > tfrecord_files.MAX_WIDTH:
                problems.append(f"column {name} is {found.list_size:,} wide, at most {tfrecord_files.MAX_WIDTH:,}")
        else:
            problems.append(f"column {name} is {found or 'missing'}, not fixed_size_list<float>")
    frames = [name for name in ("rgb", "audio") if name in schema.names]
    problems += [
        f"column {name} is {schema.field(name).type}, not list<large_binary>"
        for name in frames
        if not any(_is_like(schema.field(name).type, pa.list_(kind)) for kind in CODE_TYPES)
    ]
    if problems:
        raise FeatureFileError(f"{uri} is not a feature shard: {'; '.join(problems)}\nIt has {', '.join(schema.names)}")
    try:
        fingerprint = fingerprint_of(schema.metadata)
        code_range_of(fingerprint)
    except ValueError as error:
        raise FeatureFileError(f"{uri}: the fingerprint in its metadata cannot be read: {error}") from error
    levels = LEVELS if len(frames) == 2 else (VIDEO,)
    count = _values(metadata, "rgb") if len(frames) == 2 else 0
    file = FeatureFile(uri, groups, widths["mean_rgb"], widths["mean_audio"], levels, fingerprint, count)
    try:
        return file, replaced_by(uri, schema.metadata)
    except ValueError as error:
        raise FeatureFileError(str(error)) from error


def _values(metadata: pq.FileMetaData, name: str) -> int:
    """The number of items in a column of lists, an empty list counted as one."""
    places = range(metadata.num_columns)
    place = next(place for place in places if metadata.schema.column(place).path.partition(".")[0] == name)
    return sum(metadata.row_group(group).column(place).num_values for group in range(metadata.num_row_groups))


def _is_like(found: pa.DataType, expected: pa.DataType) -> bool:
    if pa.types.is_list(found) and pa.types.is_list(expected):  # item names depend on the writer
        return bool(found.value_type == expected.value_type)
    return bool(found == expected)


def _check_common(inspected: Sequence[FeatureFile], fingerprint: Mapping[str, str] | None) -> None:
    expected = inspected[0].fingerprint if fingerprint is None else fingerprint
    origin = inspected[0].uri if fingerprint is None else "the model"
    for file in inspected:
        if (file.rgb_dim, file.audio_dim) != (inspected[0].rgb_dim, inspected[0].audio_dim):
            raise FeatureFileError(
                f"features have different widths: {inspected[0].uri} has {inspected[0].rgb_dim} + "
                f"{inspected[0].audio_dim}, {file.uri} has {file.rgb_dim} + {file.audio_dim}"
            )
        different = [
            f"  - {key}: {expected.get(key, 'not set')} and {file.fingerprint.get(key, 'not set')}"
            for key in sorted({*expected, *file.fingerprint})
            if expected.get(key) != file.fingerprint.get(key)
        ]
        if different:
            raise FeatureFileError(
                f"features of {origin} and {file.uri} have different fingerprints, so they do not match:\n"
                + "\n".join(different)
                + "\nExtract both with the same options"
            )

"""Lossless conversion between YouTube-8M's `.tfrecord` files and feature shards, file by file.

In: files of one format. Out: for each, a file of the other format under the same name (`a.tfrecord-00000-of-00010` as
`a-00000-of-00010.parquet`). An existing one is left alone, so an interrupted conversion resumes where it stopped.

To shards: features, codes, labels and ids are copied. MediaPipe's floats are stored as codes, the only lossy step. The
range of the codes is recorded in the fingerprint (`code_range`) where it is not YouTube-8M's.
Labels of segments go into a table of their own, `segments/NAME.parquet`: id, label, start_seconds, end_seconds, score.
Columns that records lack get these values:

- means of frame-level records: the means of their decoded frames
- has_audio: whether the video's audio mean is not all zeros
- num_frames: 0 at video level; duration_seconds: one second per frame, 0 at video level
- coverage 1, no gaps, no uri; the fingerprint `{"source": "youtube-8m"}`

To records: frame-level ones if shards have codes and `level` is not `video`. Columns without a field in YouTube-8M's
records go into an extra field that other readers ignore, so a shard survives the round trip, its fingerprint included.
Shards that came from YouTube-8M need no such field and yield their original records, ordered by id.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from classifiers.data.class_choice import LabelLists
from cluster.features.files import PARQUET, FeatureFileError, as_feature_error, open_features, whole_parquet
from cluster.features.record_options import RecordOptions
from cluster.features.tfrecord_files import EXTRA, FRAME, YOUTUBE_8M, inspect_records
from cluster.features.tfrecord_reader import Records, SegmentLabels, read_records
from cluster.features.tfrecord_writer import write_records
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from cluster.storage.files import on_disk
from cluster.storage.parquet import read_table, write_table
from cluster.storage.tfrecords import TFRECORD, tfrecord_stem
from schemas import strict_json
from schemas.codes import Codes
from schemas.features import AUDIO_DIM, SCHEMA_VERSION, FeatureRow, feature_schema, feature_table
from schemas.fingerprint import fingerprint_metadata, fingerprint_of
from schemas.quantization import CodeRange, quantize
from schemas.text import counted

FORMATS = ("parquet", "tfrecord")
BATCH_ROWS = 256  # of a shard; about 90 MB with frames
SEGMENT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("start_seconds", pa.int64(), nullable=False),
        pa.field("end_seconds", pa.int64(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
# Columns without a field in YouTube-8M's records.
EXTRA_COLUMNS: Mapping[str, Callable[[Any], Any]] = {
    "has_audio": bool,
    "num_frames": int,
    "duration_seconds": float,
    "coverage": float,
    "gaps": lambda gaps: tuple((float(start), float(end)) for start, end in gaps),
    "split": str,
    "uri": str,
}


@dataclass(frozen=True)
class ConversionOptions(Options):
    """One conversion."""

    input: str = option(help="file, folder, glob or bucket prefix of .tfrecord files or of feature shards")
    output: str = option(help="folder or URI to write to; shards go into its folder `features`", is_written=True)
    to: str = option(help="format to write", choices=FORMATS)
    level: str = option("auto", help="level of the records that are written", choices=("auto", "video", "frame"))
    records: RecordOptions = field(default_factory=RecordOptions)


@dataclass(frozen=True)
class Converted:
    """Files and videos that a conversion wrote, and files that existed already."""

    files: int
    videos: int
    skipped: int


def convert(options: ConversionOptions, log: Callable[[str], None] = lambda line: None) -> Converted:
    """Convert all files; `log` gets a line for each.

    Raises:
        FeatureFileError: for an input of the wrong format, or one that cannot be read.
    """
    files.check_writable(options.output)
    code_range = options.records.range()
    features = open_features([options.input], code_range=code_range)
    suffix, other = (PARQUET, TFRECORD) if options.to == "parquet" else (TFRECORD, PARQUET)
    if features.files[0].is_parquet != (other == PARQUET):
        raise FeatureFileError(f"{options.input} holds {suffix} files already: --to {options.to} takes {other} files")
    if options.level == "frame" and "frame" not in features.levels:
        raise FeatureFileError(f"{options.input} has no frame-level features: use --level video or auto")
    names = [tfrecord_stem(posixpath.basename(file.uri).removesuffix(PARQUET)) for file in features.files]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise FeatureFileError(
            f"several files of {options.input} are named {', '.join(repeated[:5])}: convert them separately"
        )
    folder = files.join(options.output, "features") if options.to == "parquet" else options.output
    level = features.levels[-1] if options.level == "auto" else options.level
    converted = videos = 0
    for file, name in zip(features.files, names, strict=True):
        target = files.join(folder, name + suffix)
        if files.exists(target):
            continue
        if options.to == "parquet":
            _to_shard(file.uri, target, files.join(options.output, "segments", name + suffix), code_range)
        else:
            _to_records(file.uri, target, level)
        converted, videos = converted + 1, videos + file.rows
        log(f"{target}: {counted(file.rows, 'video')}")
    return Converted(converted, videos, len(names) - converted)


def _to_shard(uri: str, target: str, segments_target: str, code_range: CodeRange | None) -> None:
    """Write a file of records as a shard, and its segments as a table."""
    with on_disk(uri) as path, as_feature_error(uri):
        found = inspect_records(path, uri, code_range)
        blocks = list(read_records(path, uri, code_range=code_range))
    if found.audio_dim != AUDIO_DIM:
        raise FeatureFileError(f"{uri}: audio features are {found.audio_dim} wide, shards hold {AUDIO_DIM}")
    segments = [_segment_table(block) for block in blocks if block.segments is not None]
    if segments:
        write_table(segments_target, pa.concat_tables(segments))
    schema = feature_schema(found.rgb_dim, frame_features=found.level == FRAME)
    metadata = {
        "framemill.schema_version": SCHEMA_VERSION,
        **fingerprint_metadata(found.fingerprint),
    }
    rows = [row for block in blocks for row in _rows(block, uri)]
    write_table(target, feature_table(rows, schema, metadata))


def _rows(block: Records, uri: str) -> Iterator[FeatureRow]:
    mean_rgb, mean_audio = block.means()
    counts = block.num_frames()
    rgb, audio = block.rgb, block.audio
    if block.frame_offsets is not None and rgb.dtype != np.uint8:
        rgb, audio = quantize(rgb, block.code_range), quantize(audio, block.code_range)
    for row, name in enumerate(block.ids):
        codes: dict[str, Any] = {}
        if block.frame_offsets is not None:
            frames = slice(block.frame_offsets[row], block.frame_offsets[row + 1])
            codes = {"rgb": Codes.of(rgb[frames]), "audio": Codes.of(audio[frames])}
        first, last = block.labels.offsets[row : row + 2]
        known: dict[str, Any] = {
            "has_audio": bool(mean_audio[row].any()),
            "num_frames": int(counts[row]),
            "duration_seconds": float(counts[row]),
            "uri": "",
        }
        means: dict[str, Any] = {"mean_rgb": mean_rgb[row], "mean_audio": mean_audio[row]}
        if block.extras[row]:
            try:
                extra = strict_json.parse(block.extras[row])
                known |= {key: EXTRA_COLUMNS[key](extra[key]) for key in EXTRA_COLUMNS}
                known["tracks"] = None if extra.get("tracks") is None else str(extra["tracks"])
                means |= {
                    key: np.array(extra[key], np.float32).reshape(mean.shape)
                    for key, mean in means.items()
                    if key in extra
                }
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise FeatureFileError(f"{uri}: {EXTRA} of {name!r} cannot be read: {error}") from error
        yield FeatureRow(id=name, labels=tuple(block.labels.values[first:last].tolist()), **means, **codes, **known)


def _segment_table(block: Records) -> pa.Table:
    segments = block.segments
    assert segments is not None
    ids = np.repeat(np.array(block.ids, dtype=object), np.diff(segments.offsets))
    columns = [ids, segments.labels, segments.start_seconds, segments.end_seconds, segments.scores]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SEGMENT_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SEGMENT_SCHEMA)


def _to_records(uri: str, target: str, level: str) -> None:
    """Write a shard as a file of records."""
    with TemporaryDirectory(prefix="framemill-") as folder:
        made = Path(folder, "records")
        with whole_parquet(uri) as parquet:
            fingerprint = fingerprint_of(parquet.schema_arrow.metadata)
            extra = _no_extra if fingerprint == YOUTUBE_8M else _extra
            blocks = _record_blocks(parquet, level, _segments_beside(uri), extra)
            write_records(str(made), blocks, fingerprint)
        files.write_bytes(target, made.read_bytes())


def _record_blocks(
    parquet: pq.ParquetFile,
    level: str,
    segments: Mapping[str, list[tuple[int, int, int, float]]],
    extra: Callable[..., str],
) -> Iterator[Records]:
    for batch in parquet.iter_batches(BATCH_ROWS):
        rows = batch.to_pylist()
        ids = [row["id"] for row in rows]
        labels = LabelLists(*_lists([row["labels"] for row in rows]))
        means = [np.array([row[name] for row in rows], np.float32) for name in ("mean_rgb", "mean_audio")]
        if level == "video":
            yield Records(ids, labels, means[0], means[1], None, None, [extra(row) for row in rows])
            continue
        offsets = np.concatenate([[0], np.cumsum([len(row["rgb"]) for row in rows])]).astype(np.int64)
        codes = [
            np.frombuffer(b"".join(code for row in rows for code in row[name]), np.uint8).reshape(int(offsets[-1]), -1)
            for name in ("rgb", "audio")
        ]
        extras = [extra(row, "mean_rgb", "mean_audio") for row in rows]
        beside = _segment_labels([segments.get(name, []) for name in ids]) if segments else None
        yield Records(ids, labels, codes[0], codes[1], offsets, beside, extras)


def _extra(row: Mapping[str, Any], *more: str) -> str:
    values = {name: row[name] for name in (*EXTRA_COLUMNS, *more)}
    values["gaps"] = [[gap["start_seconds"], gap["end_seconds"]] for gap in row["gaps"]]
    if row.get("tracks") is not None:
        values["tracks"] = row["tracks"]
    return json.dumps(values, sort_keys=True)


def _no_extra(row: Mapping[str, Any], *more: str) -> str:
    return ""


def _lists(lists: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in lists])]).astype(np.int64)
    return offsets, np.array([item for items in lists for item in items], np.int64)


def _segments_beside(uri: str) -> dict[str, list[tuple[int, int, int, float]]]:
    """Labels of segments, by video, that a conversion to shards wrote beside the shard at `uri`."""
    folder, name = posixpath.split(uri)
    place = files.join(posixpath.dirname(folder) or ".", "segments", name)
    found: dict[str, list[tuple[int, int, int, float]]] = {}
    if files.exists(place):
        for name, *segment in zip(*(column.to_pylist() for column in read_table(place).columns), strict=True):
            found.setdefault(name, []).append(tuple(segment))
    return found


def _segment_labels(segments: list[list[tuple[int, int, int, float]]]) -> SegmentLabels:
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in segments])]).astype(np.int64)
    columns = list(zip(*(segment for items in segments for segment in items), strict=True)) or [()] * 4
    labels, starts, ends = (np.array(column, np.int64) for column in columns[:3])
    return SegmentLabels(offsets, labels, starts, ends, np.array(columns[3], np.float32))

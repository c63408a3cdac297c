"""The bytes of a manifest → its rows, each with its place in the file: CSV, JSON lines and Parquet, plain or gzipped.

Text is UTF-8, or UTF-16 or UTF-32 as programs on Windows write it. Cells of a CSV are separated by commas, semicolons,
tabs or bars: by what a first line `sep=;` says, or by what makes `uri` a column of the header. Empty lines, and rows of
separators alone, are no rows. A column without a name is left out where it numbers the rows, as pandas' index does.

Rows are read one by one, or a few at a time, and a manifest of N bytes has at most N of them, or `MAX_ROWS`: so neither
a long line nor what a few bytes unpack to takes memory. A large manifest takes no more: it is read as it is needed.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import posixpath
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import Buffer, override

from cluster.datasets.label_cells import shown
from cluster.datasets.text_files import text_lines
from cluster.storage.files import address_of
from cluster.storage.open_file import OpenFile, size_of
from cluster.storage.parquet_claims import MAX_ROWS, check_claims
from cluster.storage.range_reader import MAX_BLOCK_BYTES
from cluster.storage.tar_members import COMPRESSED, PLAIN_ONLY
from schemas import strict_json

URI = "uri"  # the column that every manifest has
SEPARATORS = ",;\t|"  # the first ones first, where several would do
GZIP, GZIP_MAGIC = ".gz", b"\x1f\x8b"
MAX_UNPACKED_BYTES = 1 << 30  # of a file of any size, or `MAX_RATIO` times the file
MAX_RATIO = 64  # tables of names that differ are packed to a twentieth at best
PARQUET_ROWS = 128  # that are decoded at a time
BUFFER_BYTES = 1 << 20  # of each column of a Parquet file that memory does not hold
MAX_LABELS = 100_000  # of a video
PARQUET_INDEX = "__index_level_"
NAMELESS = re.compile(rf"|Unnamed: \d+(\.\d+)?|{PARQUET_INDEX}\d+__")  # as pandas calls them
ONE_A_LINE = "each line holds one object (jq -c '.[]' turns a list into such lines)"
REMEDIES = {
    ".txt": "name it .csv, with a first line that names its columns (uri, and id, labels and others)",
    ".json": f"write .jsonl, where {ONE_A_LINE}",
    ".pq": "name it .parquet",
    ".parq": "name it .parquet",
    **dict.fromkeys(
        (".arrow", ".feather", ".orc", ".avro", ".pkl", ".pickle", ".xml", ".yaml", ".yml"),
        "write .csv, .jsonl or .parquet",
    ),
    **dict.fromkeys((".xls", ".xlsx", ".xlsm", ".ods", ".numbers"), "save it as CSV UTF-8"),
    **dict.fromkeys(
        (".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst"),
        "unpack it (.csv.gz, .tsv.gz and .jsonl.gz are read as they are)",
    ),
}
# What the csv module says, in terms of the file.
CSV_MISTAKES = {
    "unexpected end of data": "a quote is opened and never closed",
    "field larger than field limit": "a cell is longer than {limit} characters; is a quote never closed?",
    "expected after": "text follows a closing quote; within quotes, a quote is written twice",
}


@dataclass(frozen=True)
class ManifestRow:
    """One row: its cells by column, or the `problem` that keeps it from being read. `place` is as in `line 7`."""

    place: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def rows_of(uri: str, content: bytes) -> Iterator[ManifestRow]:
    """The rows of the manifest `uri`, whose name must be one that `is_manifest` accepts.

    Raises:
        ValueError: for content that is not what the name says; the message says where.
    """
    return rows_in(uri, io.BytesIO(content))


def rows_in(uri: str, file: OpenFile) -> Iterator[ManifestRow]:
    """The same of an open file, which is closed afterwards."""
    with file:
        yield from READERS[_suffix(uri)](file)


def is_manifest(uri: str) -> bool:
    """Whether `uri` is a manifest, by its extension."""
    return _suffix(uri) in READERS


def refusal(uri: str) -> str:
    """What to do with a file of a format that is neither a manifest's nor a video's; empty for any other."""
    suffix = _suffix(uri)
    if address_of(uri).lower().endswith(COMPRESSED):
        return PLAIN_ONLY
    return f"{suffix} is not read: {REMEDIES[suffix]}" if suffix in REMEDIES else ""


def _suffix(uri: str) -> str:
    """The extension that says how the content is written, in lower case."""
    stem, suffix = posixpath.splitext(address_of(uri).lower())
    inner = posixpath.splitext(stem)[1]
    return inner if suffix == GZIP and inner in TEXTS else suffix


def _lines(file: OpenFile, newline: str) -> Iterator[str]:
    """The lines of a text, whose compression bytes tell: a store may have unpacked what its name calls `.gz`."""
    size_bytes = size_of(file)
    is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    stream = _Unpacked(file, size_bytes) if is_packed else file
    return text_lines(stream, newline=newline, most=max(MAX_ROWS, size_bytes))


class _Unpacked(io.RawIOBase):
    """What a gzipped file of `size_bytes` unpacks to, as it is read; `ValueError` for what is damaged or too much."""

    def __init__(self, file: OpenFile, size_bytes: int) -> None:
        self._file = gzip.GzipFile(fileobj=cast(IO[bytes], file))
        self._most_bytes = self._left_bytes = max(MAX_UNPACKED_BYTES, MAX_RATIO * size_bytes)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        try:
            count = self._file.readinto(buffer)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"it cannot be unpacked: {error}") from error
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise ValueError(f"it unpacks to more than {self._most_bytes >> 20} MiB: write it as Parquet")
        return count


def _read_csv(file: OpenFile, separators: str = SEPARATORS) -> Iterator[ManifestRow]:
    lines = _lines(file, newline="")  # they may end in \r alone
    start = next(lines, "")
    declared = re.match(r'"?sep=(.?)"?\r?\n', start, re.IGNORECASE)
    skipped = 1 if declared else 0
    before = [next(lines, "") if declared else start]
    while before[-1] and not before[-1].strip(f"{separators}\r\n "):
        before.append(next(lines, ""))
    separator = (declared and declared[1]) or _separator(before[-1], separators)
    reader = csv.reader(chain(before, lines), delimiter=separator, strict=True)
    names: list[str] = []
    while True:
        place = f"line {reader.line_num + skipped + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{place}: {_csv_mistake(error)}") from error
        if not any(cell.strip() for cell in cells):
            continue
        if names:
            yield _csv_row(place, names, cells, separator)
            continue
        names = [cell.strip() for cell in cells]
        twice = sorted(name for name, count in Counter(names).items() if count > 1 and not _is_nameless(name))
        if twice:
            raise ValueError(f"{place}: the header holds {', '.join(map(repr, twice))} more than once")


def _separator(header: str, separators: str) -> str:
    """What separates the cells of a header: that with which `uri` is one of them."""
    for separator in separators:
        if URI in (cell.strip(' "\r\n') for cell in header.split(separator)):
            return separator
    return max(separators, key=header.count)


def _csv_mistake(error: csv.Error) -> str:
    text = str(error)
    ours = next((ours for theirs, ours in CSV_MISTAKES.items() if theirs in text), text)
    return ours.format(limit=csv.field_size_limit())


def _csv_row(place: str, names: Sequence[str], cells: Sequence[str | None], separator: str) -> ManifestRow:
    if len(cells) > len(names) and any(cell and cell.strip() for cell in cells[len(names) :]):
        return ManifestRow(
            place,
            problem=f"it has {len(cells)} cells, and the header {len(names)}: a cell with {separator!r} in it needs "
            "quotes, and several labels are separated by ';'",
        )
    return _named(place, names, cells if len(cells) >= len(names) else [*cells, *[None] * (len(names) - len(cells))])


@lru_cache
def _is_nameless(column: str) -> bool:
    return NAMELESS.fullmatch(column) is not None


def _named(place: str, names: Sequence[str], cells: Sequence[Any]) -> ManifestRow:
    """The row without columns that have no name, whose cells must be empty or number the rows."""
    if not any(map(_is_nameless, names)):
        return ManifestRow(place, dict(zip(names, cells, strict=False)))
    kept: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        if not _is_nameless(name):
            kept[name] = cell
            continue
        is_number = str(cell).strip().isdecimal() and (not kept or name.startswith(PARQUET_INDEX))
        if not is_number and cell is not None and str(cell).strip():
            return ManifestRow(
                place, problem=f"{shown(cell)} is in a column without a name: name it, id for example, or remove it"
            )
    return ManifestRow(place, kept)


def _read_json_lines(file: OpenFile) -> Iterator[ManifestRow]:
    for number, line in enumerate(_lines(file, newline="\n"), 1):  # other ends of lines may be in strings
        if line.strip():
            yield _json_row(f"line {number}", line.removesuffix("\n"))


def _json_row(place: str, line: str) -> ManifestRow:
    try:
        row = strict_json.parse(line)
    except json.JSONDecodeError as error:
        return ManifestRow(place, problem=f"it is no JSON: {error.msg}, at column {error.colno}; {ONE_A_LINE}")
    except ValueError as error:
        return ManifestRow(place, problem=f"it cannot be read: {error}")
    return (
        ManifestRow(place, row)
        if isinstance(row, dict)
        else ManifestRow(place, problem=f"it is no JSON object; {ONE_A_LINE}")
    )


def _read_parquet(file: OpenFile) -> Iterator[ManifestRow]:
    number = 0
    try:
        with _on_disk(file) as parquet:
            for batch in parquet.iter_batches(PARQUET_ROWS):
                _check_lists(batch, number)
                for row in batch.to_pylist():
                    number += 1
                    yield _named(f"row {number}", list(row), list(row.values()))
    except (pa.ArrowException, OSError) as error:  # a damaged page is an OSError
        raise ValueError(str(error)) from error


@contextmanager
def _on_disk(file: OpenFile) -> Iterator[pq.ParquetFile]:
    """The file, whose claims are checked: memory holds it already, or pages of it; one in a bucket is copied first."""
    if isinstance(file, io.BytesIO):
        content = file.getvalue()
        with pq.ParquetFile(pa.BufferReader(content)) as parquet:
            check_claims(parquet.metadata, memoryview(content), rows_at_once=PARQUET_ROWS)
            yield parquet
        return
    with ExitStack() as stack:
        if not isinstance(file, io.FileIO):
            copy = stack.enter_context(TemporaryFile(prefix="framemill-", buffering=0))
            shutil.copyfileobj(file, copy, MAX_BLOCK_BYTES)
            file = copy
        parquet = stack.enter_context(pq.ParquetFile(file, buffer_size=BUFFER_BYTES))
        check_claims(
            parquet.metadata, memoryview(mmap(file.fileno(), 0, access=ACCESS_READ)), rows_at_once=PARQUET_ROWS
        )
        yield parquet


def _check_lists(batch: pa.RecordBatch, before: int) -> None:
    """Refuse a list of more values than a video has labels; `before` rows come before the batch."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            longest = pc.max(pc.list_value_length(column)).as_py() or 0
            if longest > MAX_LABELS:
                rows = f"rows {before + 1} to {before + len(batch)}"
                raise ValueError(f"{rows}: a list in {name} has {longest:,} values, at most {MAX_LABELS:,}")


TEXTS: dict[str, Callable[[OpenFile], Iterator[ManifestRow]]] = {
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, separators="\t,;|"),
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
READERS = {**TEXTS, ".parquet": _read_parquet}

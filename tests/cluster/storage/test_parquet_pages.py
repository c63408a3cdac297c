"""Headers of pages, as writers write them and as nobody does."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.storage.parquet_pages import pages_of

COUNT = 50_000
TABLE = pa.table(
    {
        "text": [f"video-{number:06d}" for number in range(COUNT)],
        "few": ["a", "b"] * (COUNT // 2),
        "number": np.random.default_rng(0).standard_normal(COUNT),
        "list": [[number] * (number % 3) for number in range(COUNT)],
        "flag": [None if number % 7 == 0 else number % 2 == 0 for number in range(COUNT)],
    }
)


def written(**options: Any) -> tuple[pq.FileMetaData, memoryview]:
    file = io.BytesIO()
    pq.write_table(TABLE, file, row_group_size=20_000, **options)
    return pq.ParquetFile(pa.BufferReader(file.getvalue())).metadata, memoryview(file.getvalue())


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_pages_are_those_that_were_written(version: str, compression: str, use_dictionary: bool) -> None:
    options = {"data_page_version": version, "compression": compression, "use_dictionary": use_dictionary}
    metadata, content = written(data_page_size=20_000, write_page_checksum=True, write_statistics=True, **options)
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            pages = list(pages_of(chunk, content))
            assert sum(page.values for page in pages if not page.is_dictionary) == chunk.num_values
            assert [page.is_dictionary for page in pages].count(True) == chunk.has_dictionary_page
            # The metadata count the headers, too, of some 20 to 100 bytes each.
            assert 0 <= chunk.total_uncompressed_size - sum(page.unpacked_bytes for page in pages) < 100 * len(pages)
            assert 0 <= chunk.total_compressed_size - sum(len(page.packed) for page in pages) < 100 * len(pages)


def test_a_chunk_outside_of_the_file_is_refused() -> None:
    metadata, content = written()
    with pytest.raises(ValueError, match="column text lies outside of the file"):
        list(pages_of(metadata.row_group(0).column(0), content[:1000]))


def test_damaged_headers_are_value_errors() -> None:
    metadata, content = written(compression="none")
    chunk = metadata.row_group(0).column(1)
    start = chunk.dictionary_page_offset
    outcomes = {"read": 0, "refused": 0}
    for position in range(start, start + 60):
        for flipped in (0x01, 0x08, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[position] ^= flipped
            try:
                list(pages_of(chunk, memoryview(damaged)))
            except ValueError:
                outcomes["refused"] += 1
            else:
                outcomes["read"] += 1
    assert min(outcomes.values()) > 0

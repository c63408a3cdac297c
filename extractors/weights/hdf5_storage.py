"""Where the values of an untrusted HDF5 array are, checked before they are read.

In: an array of an open file. All its values must be stored, and each once: HDF5 makes up values that are left out,
reads one chunk for many, and unpacks whatever a chunk holds, however small the array is.
"""

from __future__ import annotations

import math
import zlib

import h5py

from schemas.budget import LEAST_BYTES

MAX_CHUNKS = 1 << 16  # of an array
CHECKSUM_BYTES = 4
# The only one of these filters that changes the size is the first, which may be there once.
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def claimed_bytes(dataset: h5py.Dataset) -> int:
    """The size of all values."""
    size_bytes: int = math.prod(dataset.shape) * dataset.dtype.itemsize
    return size_bytes


def check_storage(dataset: h5py.Dataset) -> None:
    """Make sure that the file stores all values, each once, and that chunks unpack to their own size.

    Raises:
        ValueError: if it does not.
    """
    size_bytes = claimed_bytes(dataset)
    if dataset.chunks is None:
        stored_bytes = dataset.id.get_storage_size()
        if stored_bytes < size_bytes:
            raise ValueError(f"array {dataset.name} claims {size_bytes:,} bytes and stores {stored_bytes:,}")
        return
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if chunk_bytes > max(size_bytes, LEAST_BYTES):
        raise ValueError(f"array {dataset.name} of {size_bytes:,} bytes has chunks of {chunk_bytes:,}")
    count = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    found = dataset.id.get_num_chunks()
    if found != count or count > MAX_CHUNKS:
        raise ValueError(f"array {dataset.name} has {found:,} chunks; expected all {count:,}, at most {MAX_CHUNKS:,}")
    chunks: list[h5py.h5d.StoreInfo] = []
    dataset.id.chunk_iter(chunks.append)
    stored_bytes, file_bytes = sum(chunk.size for chunk in chunks), dataset.file.id.get_filesize()
    if stored_bytes > file_bytes:
        raise ValueError(f"array {dataset.name} claims chunks of {stored_bytes:,} bytes; the file has {file_bytes:,}")
    _check_filters(dataset, chunks, chunk_bytes)


def _check_filters(dataset: h5py.Dataset, chunks: list[h5py.h5d.StoreInfo], chunk_bytes: int) -> None:
    """HDF5 unpacks a chunk whatever comes of it, so each is unpacked here first, as far as its size."""
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if not FILTERS.issuperset(filters) or len(set(filters)) < len(filters):
        raise ValueError(
            f"array {dataset.name} is stored with the filters {filters}: save it without, or with gzip alone"
        )
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    skipped = 1 << filters.index(h5py.h5z.FILTER_DEFLATE)
    for chunk in chunks:
        if chunk.filter_mask & skipped:
            continue
        _, packed = dataset.id.read_direct_chunk(chunk.chunk_offset)
        try:
            unpacked = len(zlib.decompressobj().decompress(packed, chunk_bytes + CHECKSUM_BYTES + 1))
        except zlib.error as error:
            raise ValueError(f"array {dataset.name} has a damaged chunk: {error}") from error
        if unpacked > chunk_bytes + CHECKSUM_BYTES:
            raise ValueError(f"array {dataset.name} has a chunk that unpacks to more than its {chunk_bytes:,} bytes")

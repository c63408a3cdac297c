"""The members of tars as they were listed before: in a bucket, listing a tar may mean to read all of it.

    FRAMEMILL_CACHE/tars/HASH.parquet   the members of one tar, by the hash of its URI, and its URI and version

A listing counts for the version of the tar that it is of, whatever job, dataset or partition asks for it. It is made of
whole tars alone whose version is known, and not of those on disk, where headers are read without what lies between
them, nor behind URIs with a query, which may hold a signature that is another each time. Where the cache cannot be read
or written, a tar is listed anew each time.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from functools import lru_cache

import pyarrow as pa

from cluster.storage.files import address_of, is_local
from cluster.storage.parquet import TableError, read_table, write_table
from cluster.storage.redaction import redacted_uri
from cluster.storage.tar_members import Read, TarMember, tar_members
from extractors.weights.resolve import default_cache_dir
from schemas.text import storable

REVISION = "1"  # of what is kept of a tar
KEPT = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("is_file", pa.bool_(), nullable=False),
        pa.field("content", pa.binary()),
    ]
)
Listed = tuple[TarMember, bytes | None]  # a member, and its content where that is wanted

logger = logging.getLogger("framemill")


def listed_members(
    uri: str, version: str, open_tar: Callable[[], tuple[Read, int]], is_wanted: Callable[[TarMember], bool]
) -> Iterator[Listed]:
    """The members of the tar at `uri`, from an earlier listing or else from its headers.

    version    of the tar; empty where it is not known
    open_tar   opens it, for `tar_members`
    is_wanted  of which members the content is wanted; small ones, and always the same

    Raises what `tar_members` and `open_tar` do.
    """
    is_kept = bool(version) and not is_local(uri) and address_of(uri) == uri
    known = _read(uri, version) if is_kept else None
    if known is not None:
        yield from known
        return
    read, size_bytes = open_tar()
    found: list[Listed] = []
    for member in tar_members(read, size_bytes):
        listed = member, read(member.start, member.start + member.size_bytes) if is_wanted(member) else None
        if is_kept:
            found.append(listed)
        yield listed
    if is_kept:
        _write(uri, version, found)


def _place(uri: str) -> str:
    return str(default_cache_dir() / "tars" / f"{hashlib.sha256(uri.encode(errors='replace')).hexdigest()}.parquet")


def _stamp(uri: str, version: str) -> dict[bytes, bytes]:
    """What tells a listing from others."""
    stamp = {"framemill.tar": redacted_uri(uri), "framemill.version": version, "framemill.revision": REVISION}
    return {key.encode(): storable(value).encode() for key, value in stamp.items()}


def _read(uri: str, version: str) -> list[Listed] | None:
    try:
        table = read_table(_place(uri))
    except (OSError, RuntimeError, TableError):
        return None
    metadata = table.schema.metadata or {}
    if any(metadata.get(key) != value for key, value in _stamp(uri, version).items()):
        return None
    rows = zip(*(table[name].to_pylist() for name in KEPT.names), strict=True)
    return [(TarMember(name, start, size, is_file), content) for name, start, size, is_file, content in rows]


def _write(uri: str, version: str, found: list[Listed]) -> None:
    rows = [(storable(one.name), one.start, one.size_bytes, one.is_file, content) for one, content in found]
    columns = zip(*rows, strict=True) if rows else [()] * len(KEPT)
    table = pa.Table.from_arrays(list(map(pa.array, columns, KEPT.types)), schema=KEPT)
    try:
        write_table(_place(uri), table.replace_schema_metadata(_stamp(uri, version)))
    except (OSError, RuntimeError) as error:  # a machine may have no home
        _tell(getattr(error, "strerror", None) or str(error))


@lru_cache
def _tell(reason: str) -> None:
    """Say once that listings are not kept."""
    logger.info(f"listings of tars are not kept for later runs (FRAMEMILL_CACHE): {reason}")

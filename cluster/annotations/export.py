"""An export: one file, or all files below a folder or prefix, with budgets for what is read of them.

Content is read when asked for. The value of the JSON file that was read last is kept, because recognising a format
parses it once and reading it a second time.
"""

from __future__ import annotations

import io
import posixpath
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import IO, Any

from cluster.datasets.text_files import decoded
from cluster.storage import files
from cluster.storage.buckets import StoredFile
from cluster.storage.listing import below, list_files, split_glob
from cluster.storage.read_policy import STRICT, ReadPolicy
from schemas import strict_json
from schemas.text import storable

MAX_FILES = 1_000_000
MAX_BYTES = 1 << 28  # of a file that is held in memory
MAX_STREAMED_BYTES = 1 << 34
HEAD_BYTES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
ARCHIVES = {b"PK\x03\x04": "a zip archive", GZIP_MAGIC: "gzipped"}


@dataclass(frozen=True)
class ExportFile:
    """A file of an export; `name` is its path below the export's folder, or its own name if it is the export."""

    name: str
    uri: str
    size_bytes: int
    policy: ReadPolicy = STRICT
    _json: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # shared by the files of an export

    @property
    def stem(self) -> str:
        """Its name without folders and extension."""
        return posixpath.splitext(posixpath.basename(self.name))[0]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes as a stream."""
        if self.size_bytes > MAX_STREAMED_BYTES:
            raise ValueError(f"it has {self.size_bytes:,} bytes, at most {MAX_STREAMED_BYTES:,} are read")
        if files.scheme_of(self.uri) in files.HTTP:
            yield io.BytesIO(files.read_bytes(self.uri, self.policy))
            return
        with files.on_disk(self.uri) as path, open(path, "rb") as stream:
            yield stream

    @cached_property
    def head(self) -> bytes:
        """The first bytes, by which its format is recognised."""
        if files.is_local(self.uri):
            with self.open() as stream:
                return stream.read(HEAD_BYTES)
        return self.content[:HEAD_BYTES]

    @property
    def content(self) -> bytes:
        """All of it. Raises `ValueError` for too much."""
        content = files.read_bytes(self.uri, self.policy) if self.size_bytes <= MAX_BYTES else b""
        if max(len(content), self.size_bytes) > MAX_BYTES:
            size = max(len(content), self.size_bytes)
            raise ValueError(f"it has {size:,} bytes, at most {MAX_BYTES:,} are read")
        return content

    def text(self) -> str:
        """It as text: UTF-8, or UTF-16 or UTF-32 with their marks."""
        content = self.content
        archive = next((kind for magic, kind in ARCHIVES.items() if content.startswith(magic)), "")
        if archive:
            raise ValueError(f"it is {archive}: unpack it")
        return decoded(content)

    def json(self) -> Any:
        """It as JSON. Raises `ValueError` for what is none."""
        if self.uri not in self._json:
            self._json.clear()
            text = self.text()
            if not text.strip():
                raise ValueError("it is empty")
            try:
                self._json[self.uri] = strict_json.parse(text)
            except ValueError as error:
                raise ValueError(f"it is no JSON: {error}") from error
        return self._json[self.uri]

    def first_lines(self, most: int) -> list[str]:
        """Up to `most` whole lines of its head, without those that are blank."""
        head = self.head
        try:
            if head.startswith(GZIP_MAGIC):
                head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
            if len(head) == HEAD_BYTES:
                head = head[: head.rfind(b"\n") + 1]
            return [line for line in decoded(head).splitlines() if line.strip()][:most]
        except (ValueError, zlib.error):
            return []


class Export:
    """What lies at a URI. Raises `OSError` and `cluster.storage.files.StorageError` where it cannot be listed."""

    def __init__(self, uri: str, policy: ReadPolicy = STRICT) -> None:
        self.uri = uri
        root, _ = split_glob(uri, policy)
        outside: list[str] = []
        found = list_files(uri, outside=None if policy.follow_links else outside, policy=policy)
        listed: list[StoredFile] = list(islice(found, MAX_FILES + 1))
        if len(listed) > MAX_FILES:
            raise files.StorageError(f"there are more than {MAX_FILES:,} files: name the folder of the export alone")
        self.outside = tuple(outside)
        self.is_folder = [file.uri for file in listed] != [root]
        shared: dict[str, Any] = {}
        self.files = tuple(
            ExportFile(storable(_name(file.uri, root)), file.uri, file.size_bytes, policy, shared)
            for file in sorted(listed, key=lambda file: file.uri)
        )

    def with_suffix(self, suffixes: Sequence[str]) -> list[ExportFile]:
        """Its files with one of these extensions; all of them where it is a single file."""
        return [file for file in self.files if not self.is_folder or file.name.lower().endswith(tuple(suffixes))]


def _name(uri: str, root: str) -> str:
    return posixpath.basename(files.address_of(uri)) if uri == root else below(root, uri)

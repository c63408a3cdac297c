"""What may write the files of a dataset: the holder of its lease (`Lease`), or anybody where there is no lease."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from cluster.storage import files


class Writer(Protocol):
    """Writes files. Versions are those that `read` returns; an empty one stands for a file that must not exist."""

    @property
    def unfenced(self) -> tuple[str, ...]:
        """URIs of files that a run that died may still change, until `fenced` is called."""

    def fenced(self) -> None:
        """The files that were `unfenced` have been changed: that run can change them no more."""

    def changing(self, uris: Iterable[str]) -> AbstractContextManager[None]:
        """Change these files meanwhile, and no others."""

    def read(self, uri: str) -> tuple[bytes, str]:
        """Content and version of a file."""

    def put(self, uri: str, data: bytes | memoryview) -> None:
        """Write a file that no other run writes."""

    def replace(self, uri: str, data: bytes | memoryview, version: str) -> str:
        """Replace a file that was read, and return its new version."""

    def remove(self, uri: str, version: str, emptied: bytes | memoryview) -> None:
        """Remove a file that was read, or replace it by `emptied`."""


class PlainWriter:
    """Writes without a lease."""

    unfenced: tuple[str, ...] = ()

    def fenced(self) -> None:
        """Nothing was to be fenced."""

    def changing(self, uris: Iterable[str]) -> AbstractContextManager[None]:
        """Announces nothing."""
        return nullcontext()

    def read(self, uri: str) -> tuple[bytes, str]:
        """Content; versions are of no use here."""
        return files.read_bytes(uri), ""

    def put(self, uri: str, data: bytes | memoryview) -> None:
        """Write, whatever is there."""
        files.write_bytes(uri, data)

    def replace(self, uri: str, data: bytes | memoryview, version: str) -> str:
        """Write, whatever is there."""
        files.write_bytes(uri, data)
        return ""

    def remove(self, uri: str, version: str, emptied: bytes | memoryview) -> None:
        """Remove, whatever is there."""
        files.delete(uri)

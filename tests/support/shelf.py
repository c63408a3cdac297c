"""A store in memory behind `shelf://` that keeps conditions of requests, or ignores them, and tells of each request."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem
from typing_extensions import override

from cluster.storage import buckets, conditions, files
from cluster.storage.conditions import ConditionalStore

VERSIONS = count(2)  # of all objects that were ever written


class Shelf(AbstractFileSystem):
    """fsspec's view of the store. `before` is called before each request, with whether it writes, and the path."""

    protocol = "shelf"
    objects: ClassVar[dict[str, tuple[bytes, str]]] = {}
    before: ClassVar[Callable[[bool, str], None]]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        Shelf.before(False, path)
        if path in self.objects:
            return {"name": path, "size": len(self.objects[path][0]), "type": "file"}
        if any(name.startswith(f"{path}/") for name in self.objects):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        Shelf.before(False, path)
        return self.found(path)[0][start:end]

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> io.BytesIO:
        return io.BytesIO(self.cat_file(self._strip_protocol(path)))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> dict[str, str]:
        Shelf.before(True, path)
        if mode == "create" and path in self.objects and STORE.keeps_conditions:
            raise FileExistsError(path)
        return self.written(path, value)

    def rm_file(self, path: str) -> None:
        Shelf.before(True, path)
        self.found(path)
        del self.objects[path]

    def found(self, path: str) -> tuple[bytes, str]:
        """Content and version of an object."""
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path]

    def written(self, path: str, content: bytes) -> dict[str, str]:
        """Write, whatever is there; returns what a store answers."""
        version = str(next(VERSIONS))
        self.objects[path] = content, version
        return {"generation": version}


class _Store(ConditionalStore):
    other_version = "1"
    keeps_conditions = True

    @override
    def read(self, fs: Shelf, path: str) -> tuple[bytes, str]:
        Shelf.before(False, path)
        return fs.found(path)

    @override
    def replace(self, fs: Shelf, path: str, data: bytes, version: str) -> str:
        Shelf.before(True, path)
        self.check(fs, path, version)
        return fs.written(path, data)["generation"]

    @override
    def remove(self, fs: Shelf, path: str, version: str, emptied: bytes) -> None:
        Shelf.before(True, path)
        self.check(fs, path, version)
        fs.found(path)
        del fs.objects[path]

    def check(self, fs: Shelf, path: str, version: str) -> None:
        """Refuse a request for another version."""
        if self.keeps_conditions and fs.objects.get(path, (b"", ""))[1] != version:
            raise FileExistsError(path)


STORE = _Store()


def _list(fs: Shelf, bucket: str, prefix: str, delimiter: str, first: str, token: str) -> buckets.Page:
    Shelf.before(False, f"{bucket}/{prefix}")
    names = sorted(path.partition("/")[2] for path in fs.objects if path.startswith(f"{bucket}/{prefix}"))
    return [{"name": name, "size": len(fs.objects[f"{bucket}/{name}"][0])} for name in names], [], ""


@contextmanager
def shelf(before: Callable[[bool, str], None], *, keeps_conditions: bool) -> Iterator[dict[str, tuple[bytes, str]]]:
    """The objects of a store that is empty at first, by path: content and version."""
    fsspec.register_implementation("shelf", Shelf, clobber=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(files.SCHEMES, "shelf", "shelf")
        patch.setitem(files.STORE_OPTIONS, "shelf", lambda policy: {})
        patch.setitem(buckets._LIST_CALLS, "shelf", _list)
        patch.setitem(conditions.STORES, "shelf", STORE)
        patch.setattr(STORE, "keeps_conditions", keeps_conditions)
        patch.setattr(Shelf, "objects", {})
        patch.setattr(Shelf, "before", staticmethod(before), raising=False)
        yield Shelf.objects

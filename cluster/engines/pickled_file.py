"""Pickles in a storage place that others can write to: read only if they are those that this program has written."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from typing import Any

from cluster.storage import files


@dataclass(frozen=True)
class PickledFile:
    """A file with a pickled object, and the digest that it was written with. Keep the digest where it is safe."""

    uri: str
    sha256: str

    @classmethod
    def write(cls, uri: str, value: Any) -> PickledFile:
        """Pickle an object to `uri`."""
        content = pickle.dumps(value)
        files.write_bytes(uri, content)
        return cls(uri, hashlib.sha256(content).hexdigest())

    def read(self) -> Any:
        """The object. Raises `ValueError` if the file has been changed."""
        content = files.read_bytes(self.uri)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ValueError(f"{self.uri} has been changed since this run wrote it")
        return pickle.loads(content)  # noqa: S301 - its digest is known

"""A file that is written piece by piece and appears whole, or not at all: on disk or in a bucket.

Its pieces go to a disk of this machine, so that memory does not grow with its length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import uuid4

from cluster.storage import files
from cluster.storage.local_files import TEMPORARY_SUFFIX


@contextmanager
def output_file(uri: str) -> Iterator[BinaryIO]:
    """A file to write to, which replaces `uri` at the end of the context unless that is left by an exception.

    Raises:
        OSError, cluster.storage.files.StorageError: where it cannot be written.
    """
    files.check_writable(uri)
    if files.is_local(uri):
        path = Path(files.local_path(uri))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid4().hex}{TEMPORARY_SUFFIX}")
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return
    with TemporaryDirectory(prefix="framemill-") as folder:
        made = Path(folder, "output")
        with made.open("wb") as file:
            yield file
        fs, key = files.filesystem(uri)
        files.call_store(uri, lambda: fs.put_file(str(made), key))

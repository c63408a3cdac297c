"""Tars for tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def tar_bytes(members: Iterable[tuple[str, bytes]], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of members by their names; of a name that ends in a slash, a folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            tar.addfile(info, io.BytesIO(data))
    return content.getvalue()


def pack(tar: Path, paths: Iterable[Path], root: Path) -> Path:
    """Write a tar of files, named by their paths below `root`."""
    tar.write_bytes(tar_bytes((path.relative_to(root).as_posix(), path.read_bytes()) for path in paths))
    return tar

"""Download of weights from any URI, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tqdm import tqdm

from cluster.storage.files import StorageError, filesystem, is_local
from cluster.storage.redaction import redacted_uri
from extractors.weights.resolve import Progress, open_http
from schemas.text import visible


@contextmanager
def open_uri(uri: str) -> Iterator[IO[bytes]]:
    """Open `uri` for reading; http(s) needs no extra library. Every failure is raised as an `OSError`."""
    try:
        if uri.lower().startswith(("http://", "https://")):
            with open_http(uri) as file:
                yield file
            return
        fs, path = filesystem(uri)
        with open(path, "rb") if is_local(uri) else fs.open(path, "rb") as file:
            yield file
    except OSError:
        raise
    except StorageError as error:
        raise OSError(str(error)) from error
    except Exception as error:  # every store's library has its own exceptions
        raise OSError(f"{type(error).__name__}: {error}") from error


@contextmanager
def show_download(name: str, *, quiet: bool) -> Iterator[Progress | None]:
    """A callback for `resolve_weights` that draws a bar from the first byte on; None where `quiet`."""
    if quiet:
        yield None
        return
    bars: list[tqdm] = []

    def update(done_bytes: int, total_bytes: int | None) -> None:
        if not bars:
            text = visible(redacted_uri(name))
            bars.append(tqdm(desc=text, total=total_bytes, unit="B", unit_scale=True, leave=True))
        bars[0].update(done_bytes - bars[0].n)

    try:
        yield update
    finally:
        for bar in bars:
            bar.close()

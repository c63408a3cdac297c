"""The folder for temporary files (`TMPDIR`), and what is said where it takes no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import gettempdir

from schemas.errors import InputError


@contextmanager
def temporaries_explained(content: str) -> Iterator[None]:
    """Turn what the folder refuses into an `InputError` that says what to do; `content` names what was to be there."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{gettempdir()} takes no more of {content}: {error}\nSet TMPDIR to a folder with more room, and run again"
        ) from error

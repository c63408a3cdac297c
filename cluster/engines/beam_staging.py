"""The staging folder of a run on Beam: what its driver and the workers of its pipelines leave for one another.

    STAGING/RUN/driver      renewed while the driver lives; workers without a driver stop
    STAGING/RUN/pickles/    the worker and the tasks, written by the driver (`cluster.engines.pickled_file`)
    STAGING/RUN/outcomes/   batches of outcomes, written by the workers: never pickles, and deleted once the driver
                            has them

A run holds the lease of its dataset, so that whatever is in STAGING before it was left by runs that have died.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

from cluster.engines.pickled_file import PickledFile
from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.versions import MAX_REQUESTS

RENEW_SECONDS = 30.0
EXPIRY_SECONDS = 900.0  # without a renewal: the clocks of machines differ, and the driver commits shards in between


class Staging:
    """The driver's side of it."""

    def __init__(self, folder: str) -> None:
        """Remove what earlier runs have left in `folder`."""
        self._folder = folder
        self.delete()
        self.uri = files.join(folder, secrets.token_hex(8))
        self._renewed_at = 0.0
        self.renew()

    def delete(self) -> None:
        """Remove everything; workers that are still there stop."""
        with suppress(OSError):  # there is nothing, or a worker adds to it: the next run removes that
            files.delete_folder(self._folder)

    def renew(self) -> None:
        """Show that the driver lives, if it is time to."""
        if not self._renewed_at or time.monotonic() > self._renewed_at + RENEW_SECONDS:
            files.write_bytes(_driver(self.uri), repr(time.time()).encode())
            self._renewed_at = time.monotonic()

    def write_pickle(self, value: Any) -> PickledFile:
        """Leave an object for the workers."""
        return PickledFile.write(files.join(self.uri, "pickles", secrets.token_hex(8)), value)

    def take_outcomes(self) -> Iterator[list[bytes]]:
        """The files of outcomes, some at a time; they are deleted when the next ones are asked for."""
        with suppress(FileNotFoundError):  # of the folder, as long as there are none
            uris = iter([file.uri for file in list_files(files.join(self.uri, "outcomes"))])
            with ThreadPoolExecutor(MAX_REQUESTS) as pool:
                while some := list(islice(uris, MAX_REQUESTS)):
                    self.renew()
                    yield list(pool.map(files.read_bytes, some))
                    list(pool.map(files.delete, some))


def write_outcomes(staging_uri: str, content: bytes) -> None:
    """Leave a file of outcomes for the driver."""
    files.write_bytes(files.join(staging_uri, "outcomes", secrets.token_hex(16)), content)


def has_driver(staging_uri: str) -> bool:
    """Whether the driver lives, as far as a worker can see."""
    try:
        return time.time() < float(files.read_bytes(_driver(staging_uri))) + EXPIRY_SECONDS
    except FileNotFoundError:
        return False


def _driver(staging_uri: str) -> str:
    return files.join(staging_uri, "driver")

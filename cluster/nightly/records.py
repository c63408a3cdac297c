"""The nightly folder of a label dataset: a record and a page for each day.

nights/YYYY-MM-DD.json, .html   the day
nights/YYYY-MM-DD.toml          options of its last run: `--config` with this file repeats it
report.html                     the page of the latest day
nightly-lease.json, .lock       while a nightly run is working: which one; in buckets, the lease stays
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cluster.datasets.folder import held
from cluster.datasets.label_dataset import LabelDataset
from cluster.runs.config_file import config_text
from cluster.runs.options import Options
from cluster.storage import files
from cluster.storage.lease import Lease
from cluster.storage.listing import list_files
from cluster.storage.writer import PlainWriter, Writer
from schemas.errors import InputError
from schemas.nights import NightRecord

SUFFIX = ".json"

logger = logging.getLogger("framemill")


class NightRecordError(InputError):
    """A record that cannot be read; the message names it and the remedy."""


class NightRecords:
    """The nightly records of the labels at `root`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._writer: Writer = PlainWriter()

    @contextmanager
    def lease(self, run_id: str) -> Iterator[Lease]:
        """Be the one nightly run. Raises `InputError` where another is running, or where nothing can be written."""
        lease = Lease(files.join(self._root, "nightly-lease.json"), run_id)
        with held(lease, self._root, LabelDataset.elsewhere):
            self._writer = lease
            try:
                yield lease
            finally:
                self._writer = PlainWriter()

    def prepare(self) -> None:
        """Clear what a run that died has left half written; the caller holds the lease."""
        files.sweep_temporaries(files.join(self._root, "nights"))

    def days(self) -> list[str]:
        """All days that have a record, the earliest first."""
        folder = files.join(self._root, "nights")
        if not files.exists(folder):
            return []
        names = [posixpath.basename(file.uri) for file in list_files(folder)]
        return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))

    def read(self, day: str) -> NightRecord | None:
        """The record of a day; None where there is none. Raises `NightRecordError` for one that cannot be read."""
        uri = files.join(self._root, "nights", day + SUFFIX)
        try:
            return NightRecord.from_json(files.read_bytes(uri).decode())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise NightRecordError(f"{uri}: {error}\nMove it away to begin the day anew") from error

    def before(self, day: str, count: int) -> list[NightRecord]:
        """The last `count` nights before a day, the earliest first; unreadable records are skipped with a warning."""
        records: list[NightRecord] = []
        for earlier in [found for found in self.days() if found < day][-count:]:
            try:
                record = self.read(earlier)
            except NightRecordError as error:
                logger.warning(f"a night is left out of the comparison: {error}")
                continue
            if record is not None:
                records.append(record)
        return records

    def write(self, record: NightRecord) -> None:
        """Write a record."""
        self._writer.put(files.join(self._root, "nights", record.date + SUFFIX), record.to_json().encode())

    def write_options(self, day: str, options: Options) -> None:
        """Write the options that repeat the last run of a day."""
        uri = files.join(self._root, "nights", f"{day}.toml")
        self._writer.put(uri, config_text(options, f"the nightly run of {day}").encode())

    def page_uri(self, day: str) -> str:
        """The URI of a day's page."""
        return files.join(self._root, "nights", f"{day}.html")

    @property
    def latest_page_uri(self) -> str:
        """The URI of the page of the latest day."""
        return files.join(self._root, "report.html")

    def write_page(self, day: str, page_at: Callable[[str], str]) -> str:
        """Write the page of a day, and `report.html` where there is no later day; returns the URI to show.

        `page_at` makes the page for a URI, which its links are relative to.
        """
        uris = [self.page_uri(day)]
        if day >= max(self.days(), default=day):
            uris.append(self.latest_page_uri)
        for uri in uris:
            self._writer.put(uri, page_at(uri).encode())
        return uris[-1]

"""The frame of a run that leaves a record in its folder, whatever ends it.

options, record (`running`) ─► work, which updates the record ─► record, page ─► log

A run that is cut short by an error in this program has both as well. One that is killed leaves a record of its
progress, which the next run closes.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from cluster.runs.lifecycle import recorded, written
from cluster.runs.open_failures import OpenFailures
from cluster.runs.options import Options
from cluster.runs.provenance import command_line, package_versions, without_secrets
from schemas.records import JobRecord, utc_text

RecordT = TypeVar("RecordT", bound=JobRecord)

logger = logging.getLogger("framemill")


class RunFolder(Protocol):
    """Where a run leaves its record (`cluster.datasets.folder`)."""

    run_id: str

    def write_options(self, options: Options) -> None:
        """Write the options. Raises `InputError` where that fails."""

    def write_record(self, record: JobRecord) -> None:
        """Write the record. Raises `InputError` where that fails."""

    def is_record_due(self) -> bool:
        """Whether the record of a working run is to be updated."""


class RecordedRun(ABC, Generic[RecordT]):
    """A run of `options` that `started` then; the caller holds the lease of its `folder`.

    failures  the videos that have failed, now and before
    """

    def __init__(self, folder: RunFolder, options: Options, started: datetime, failures: OpenFailures) -> None:
        self._folder, self._options, self._started = folder, options, started
        self._failures = failures

    def __call__(self) -> RecordT:
        """Run to the end and return the record with its status. Raises `InputError` where nothing can be written."""
        logger.info(f"run {self._folder.run_id}: {self._opening()}")
        self._folder.write_options(self._options)
        self._folder.write_record(self._record("running"))
        with recorded(self._abort):
            record = self._end(self._work())
        logger.info(f"{record.status}: {self._closing(record)}, in {record.wall_seconds:.1f} s")
        for line in (*self._failures.lines(), *self._notes(record)):
            logger.info(line)
        return record

    def _end(self, status: str) -> RecordT:
        """Write the record and the page."""
        return written(self._record(status), self._folder.write_record, self._write_page)

    def _abort(self, status: str) -> None:
        """Keep what was finished, if that can be committed, and end."""
        with suppress(Exception):
            self._keep()
        self._end(status)

    def _update(self) -> None:
        """Write the record of the run so far, from time to time."""
        if self._folder.is_record_due():
            self._folder.write_record(self._record("running"))

    def _header(self, status: str) -> dict[str, Any]:
        """The fields that the records of all runs have."""
        return {
            "run_id": self._folder.run_id,
            "status": status,
            "started_at": utc_text(self._started),
            "finished_at": utc_text(datetime.now(UTC)),
            "command": command_line(),
            "configuration": without_secrets(self._options.flat()),
            "versions": package_versions(),
        }

    @abstractmethod
    def _opening(self) -> str:
        """What there is to do, for the log."""

    @abstractmethod
    def _work(self) -> str:
        """Do the work, and keep what is finished; returns the status (`cluster.runs.lifecycle.guarded`)."""

    def _keep(self) -> None:
        """Commit what is finished, where `_work` could not; what is committed already costs nothing."""

    @abstractmethod
    def _record(self, status: str) -> RecordT:
        """The record of what was done so far."""

    @abstractmethod
    def _closing(self, record: RecordT) -> str:
        """What was done, for the log."""

    def _write_page(self, record: RecordT) -> None:
        """Write the page of the run, if it has one. Raises `InputError` where that fails."""

    def _notes(self, record: RecordT) -> list[str]:
        """The last lines of the log."""
        return []

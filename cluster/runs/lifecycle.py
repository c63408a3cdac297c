"""The life of a run: its id, how it is stopped from outside, the status it ends with and the job's exit code."""

from __future__ import annotations

import logging
import secrets
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from types import FrameType
from typing import TypeVar

from cluster.storage.redaction import redacted
from schemas.errors import InputError, problems_of
from schemas.records import JobRecord

REPORT_CHARACTERS = 2_000

RecordT = TypeVar("RecordT", bound=JobRecord)

logger = logging.getLogger("framemill")


class ExitCode(IntEnum):
    """The exit code of a job."""

    DONE = 0
    FAILED = 1  # the engine gave up, or the output takes no more
    BAD_INPUT = 2  # or another run is writing: nothing was touched, but by a run that met it late in a large manifest
    TOO_MANY_FAILURES = 3  # everything else was done
    INTERRUPTED = 130  # by Ctrl-C or SIGTERM; what was finished is committed


def new_run_id(started: datetime) -> str:
    """A unique id that sorts by the time at which the run started."""
    return f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def guarded(part: Callable[[], None], *errors: type[Exception]) -> str:
    """Carry out a part of a run and return the status that it leaves the run with.

    `InputError` and `errors` are logged and make the run fail; all others are errors in this program.
    """
    expected: tuple[type[Exception], ...] = (InputError, *errors)
    try:
        with terminable():
            part()
    except KeyboardInterrupt:
        return "interrupted"
    except expected as error:
        return failed(error)
    return "completed"


@contextmanager
def recorded(end: Callable[[str], object]) -> Iterator[None]:
    """Have `end` record the status of a run that is cut short by an error in this program, or by a second Ctrl-C."""
    try:
        yield
    except BaseException as error:
        with suppress(Exception):  # what went wrong may prevent that as well
            end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise


def written(
    record: RecordT, write_record: Callable[[RecordT], object], write_page: Callable[[RecordT], object]
) -> RecordT:
    """Write the last record of a run, and its page; returns the record, as `failed` where either cannot be written."""
    try:
        write_record(record)
        write_page(record)
    except InputError as error:
        record = replace(record, status=failed(error))
        with suppress(InputError):  # it says the same as the exit code, if it can be written
            write_record(record)
    return record


def failed(error: Exception) -> str:
    """Log the error that ends a run; returns the run's status."""
    logger.error(error)
    return "failed"


def internal_error() -> str:
    """The message of a failure that is an error in this program, from the exception in hand."""
    return f"an error in this program: {redacted(traceback.format_exc())[-REPORT_CHARACTERS:]}"


def exit_code(record: JobRecord, max_failure_ratio: float, unread_share: float = 0.0) -> ExitCode:
    """The exit code of a run; `unread_share` stands for videos that nobody can count."""
    counts = record.counts
    failed_share = counts.failed / counts.processed if counts.failed else 0.0
    return code_of(record.status, is_too_many=max(failed_share, unread_share) > max_failure_ratio)


def code_of(status: str, *, is_too_many: bool) -> ExitCode:
    """The exit code of a run that ended with `status`, and with too many failures or not."""
    if status != "completed":
        return ExitCode.INTERRUPTED if status == "interrupted" else ExitCode.FAILED
    return ExitCode.TOO_MANY_FAILURES if is_too_many else ExitCode.DONE


def bad_input(error: Exception) -> ExitCode:
    """Log every problem of an error that prevents a run from starting; returns the exit code."""
    for problem in problems_of(error):
        logger.error(InputError(problem))
    return ExitCode.BAD_INPUT


@contextmanager
def keeping_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM that `terminable` has set: Ray sets its own when it starts."""
    mine = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(mine) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, mine)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM stop a run as Ctrl-C does, so that finished work is committed. Only the main thread can do so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

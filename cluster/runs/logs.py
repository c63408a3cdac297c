"""What a process writes to its terminal or log: without secrets, and with control characters as escapes.

Ids, titles, paths and messages of stores come from others: they can neither add a line that reads like this program's
nor move the cursor.
A log line is text or JSON. A message that is an exception may have several lines, of which all but the first are
indented. Only the main programs of jobs and of their processes configure logging.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from typing_extensions import override

from cluster.storage.redaction import redacted
from schemas.text import visible

INDENT = "  "
RAISED_AS_WELL = "gcsfs"  # the logger of a library that logs, with tracebacks, what it raises
WARNINGS = "py.warnings"  # the logger that Python gives its warnings to, with the line that they come from


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        values = {"level": record.levelname.lower(), "logger": record.name, "message": redacted(record.getMessage())}
        if record.exc_info:
            values["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(values)


class TextFormatter(logging.Formatter):
    """The message, and the traceback of an exception that comes with it."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        message = redacted(record.getMessage())
        has_lines = isinstance(record.msg, Exception) or record.name == WARNINGS
        text = indented(message.rstrip()) if has_lines else visible(message, kept="\t")
        if record.exc_info:
            text += f"\n{INDENT}{indented(self.formatException(record.exc_info))}"
        return text


class LogHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Where this program's log goes, and warnings of the libraries that it uses."""


def shown(text: str) -> str:
    """Text for a terminal, whose lines are this program's own."""
    return visible(redacted(text))


def indented(text: str) -> str:
    """Text for a terminal, into whose lines others may have written: all but the first are indented."""
    first, *others = shown(text).split("\n")
    return "\n".join([first, *(line if line.startswith(INDENT) else INDENT + line for line in others)])


def configure_logging(style: str, *, quiet: bool) -> None:
    """Send this project's log to stderr, as `text` or `json`; when `quiet`, only warnings and errors.

    Warnings of libraries go there too, and exceptions that nothing catches.
    """
    handler = LogHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    handler.addFilter(lambda record: record.name != RAISED_AS_WELL)
    root, logger = logging.getLogger(), logging.getLogger("framemill")
    root.handlers = [*(other for other in root.handlers if not isinstance(other, LogHandler)), handler]
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def configure_worker_logging() -> None:
    """Do so in a process that a job has started: its warnings go to stderr, which engines hand on."""
    configure_logging("text", quiet=True)


def leaving_out(beginning: str) -> Callable[[logging.LogRecord], bool]:
    """A filter for a library's logger: everything but the messages that begin so.

    For notices that nobody need act on, and that no setting of the library turns off.
    """
    return lambda record: not record.getMessage().startswith(beginning)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("framemill").critical("an error in this program", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not issubclass(found.exc_type, SystemExit):
        _log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)

"""Log lines as text or JSON, without secrets and without the notices of libraries. Only jobs configure logging."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable

from typing_extensions import override

from cluster.storage.redaction import redacted


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        values = {"level": record.levelname.lower(), "logger": record.name, "message": redacted(record.getMessage())}
        if record.exc_info:
            values["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(values)


class TextFormatter(logging.Formatter):
    """The message and nothing else."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def configure_logging(style: str, *, quiet: bool) -> None:
    """Send this project's log to stderr, as `text` or `json`; when `quiet`, only warnings and errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logger = logging.getLogger("framemill")
    logger.handlers = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


def leaving_out(beginning: str) -> Callable[[logging.LogRecord], bool]:
    """A filter for a library's logger: everything but the messages that begin so.

    For notices that nobody need act on, and that no setting of the library turns off.
    """
    return lambda record: not record.getMessage().startswith(beginning)

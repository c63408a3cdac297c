"""What a client is told when something goes wrong: a status, a code, a message, and nothing of this machine.

Codes are those of failures (`schemas.outcomes.FailureCode`) and of requests (`STATUS_OF`).
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from schemas.outcomes import FailureCode

STATUS_OF: Mapping[str, int] = {
    "invalid": 422,
    "uri_refused": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_ready": 409,
    "not_allowed": 405,
    "timeout": 408,
    "too_large": 413,
    FailureCode.NOT_MEDIA: 415,
    "busy": 429,
    "full": 507,
    FailureCode.INTERNAL: 500,
}
CODE_OF = {status: code for code, status in STATUS_OF.items() if code != "uri_refused"}
# In place of messages that tell of paths, options and machines of whoever runs the service.
MESSAGES: Mapping[str, str] = {
    FailureCode.INTERNAL: "an error in this service; whoever runs it finds it in the log",
    FailureCode.STORAGE: "the video could not be read to its end",
    FailureCode.MISSING: "there is no video at this address",
    FailureCode.NO_PERMISSION: "the server of this address does not permit to read it",
    FailureCode.TIME_LIMIT: "decoding it takes longer than this service allows",
    FailureCode.MEMORY_LIMIT: "decoding it takes more memory than this service allows",
    FailureCode.NO_VIDEO_STREAM: "it has no video stream, only audio or still images",
    FailureCode.ABSURD_DIMENSIONS: "its frames are larger than this service decodes",
    FailureCode.TOO_LONG: "it is longer than this service takes",
    FailureCode.WORKER_DIED: "the decoder crashed over it",
}

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OPTION = re.compile(r" \(--[^)]*\)")  # in a message: what whoever runs a job may give

logger = logging.getLogger("framemill")


class ApiError(Exception):
    """A request that is refused. `retry_seconds`: when it may come again, where it may."""

    def __init__(self, code: str, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_seconds = code, message, retry_seconds

    @property
    def status(self) -> int:
        """The status of the response."""
        return STATUS_OF.get(self.code, 400)


@contextmanager
def refused_where_full() -> Iterator[None]:
    """Refuse what finds no room on a disk of this service; whoever runs it finds the cause in the log."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        logger.error(f"a file of a client cannot be kept: {error}")
        raise ApiError("full", "this service has no room for it") from error


def public_message(code: str, message: str) -> str:
    """The message of a failure for a client, who has given the video and knows nothing of options."""
    return MESSAGES.get(code) or OPTION.sub("", message)


def told(video_id: str, code: str, message: str) -> tuple[str, str]:
    """The code and message of a failure as a client is told it; what whoever runs the service must know is logged."""
    if code in (FailureCode.INTERNAL, FailureCode.STORAGE):
        logger.error(RuntimeError(f"video {video_id}: {code}: {message}"))
    return code, public_message(code, message)


def error_body(code: str, message: str) -> dict[str, Any]:
    """As every error is sent."""
    return {"error": {"code": code, "message": message}}


def problems_of(error: ValidationError | RequestValidationError) -> str:
    """What is wrong with a body: where, and why; without the values, which may be large."""
    found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]]
    return "; ".join(found)[:500]

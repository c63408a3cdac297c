"""What an exception of an object store's library means: gcsfs, s3fs, and fsspec over http each have their own.

In: the exception. Out: one of `Trouble`, and a sentence without secrets. Nothing of those libraries is imported: an
answer is known by its HTTP status, everything else by the name of its class.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from enum import Enum

from cluster.storage.redaction import redacted

MESSAGE_CHARACTERS = 500
# A request that came at a bad moment, too early or too often; other 4xx will be answered in the same way again.
PASSING_STATUSES = frozenset({408, 425, 429})
LASTING_STATUSES = frozenset({501, 505})  # the server does not know how
PASSING_ERRNOS = frozenset({errno.EBUSY, errno.EIO, errno.EREMOTEIO})  # s3fs for 503, for unknown codes, for 500
PASSING_CLASSES = frozenset(
    {
        "ClientError",  # aiohttp: connections that are refused, reset or cut short
        "ConnectionError",  # Python, botocore: likewise
        "HTTPClientError",  # botocore: likewise
        "ResponseParserError",  # botocore: an answer of a server that is too busy to write XML
        "RequestException",  # requests, in gcsfs
        "TransportError",  # google.auth: the server of access tokens cannot be reached
        "RefreshError",  # google.auth: it has refused, which happens in passing too
        "ChecksumError",  # gcsfs: what arrived is not what was sent
        "IncompleteRead",
    }
)
BAD_ADDRESS_CLASSES = frozenset({"InvalidURL", "SSLCertVerificationError"})


class Trouble(Enum):
    """Why a store did not do what it was asked for."""

    MISSING = "there is no such object"
    DENIED = "permission is denied"
    EXISTS = "there is an object already"
    BAD_ADDRESS = "its address cannot be used"
    PASSING = "the store does not answer as it should"
    LASTING = "the store refuses"


def trouble_of(error: BaseException) -> Trouble:
    """What `error` means. `PASSING` is worth another attempt."""
    causes = tuple(_causes(error))
    for cause in causes:
        trouble = _of_status(_status(cause))
        if trouble is not None:
            return trouble
    last = causes[-1]
    names = {cls.__name__ for cls in type(last).__mro__}
    if names & BAD_ADDRESS_CLASSES or _is_unknown_host(last):
        return Trouble.BAD_ADDRESS
    if isinstance(last, FileExistsError):
        return Trouble.EXISTS
    if isinstance(last, FileNotFoundError):
        return Trouble.MISSING
    if isinstance(last, PermissionError) or str(last).startswith("Forbidden"):  # gcsfs tells it in words alone
        return Trouble.DENIED
    if isinstance(last, TimeoutError | socket.gaierror) or names & PASSING_CLASSES:
        return Trouble.PASSING
    if isinstance(last, OSError) and last.errno in PASSING_ERRNOS:
        return Trouble.PASSING
    return Trouble.BAD_ADDRESS if isinstance(last, ValueError) else Trouble.LASTING


def describe(error: BaseException) -> str:
    """`error` in a line that may be logged and kept."""
    last = tuple(_causes(error))[-1]
    trouble = trouble_of(error)
    if trouble in (Trouble.MISSING, Trouble.DENIED, Trouble.EXISTS):
        return str(trouble.value)
    return redacted(f"{trouble.value}: {type(last).__name__}: {last}")[:MESSAGE_CHARACTERS]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error`, and what fsspec's http store has wrapped in it: all that goes wrong there is a missing file."""
    yield error
    while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
        yield error


def _status(error: BaseException) -> int | None:
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None)  # botocore, behind s3fs
    if isinstance(answer, dict):
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None) or getattr(error, "code", None)  # aiohttp, gcsfs
    try:
        return int(status) if status is not None else None
    except (TypeError, ValueError):
        return None


def _of_status(status: int | None) -> Trouble | None:
    if status is None or status < 400:
        return None
    named = {401: Trouble.DENIED, 403: Trouble.DENIED, 404: Trouble.MISSING, 410: Trouble.MISSING, 412: Trouble.EXISTS}
    if status in named:
        return named[status]
    is_passing = status in PASSING_STATUSES or (status >= 500 and status not in LASTING_STATUSES)
    return Trouble.PASSING if is_passing else Trouble.LASTING


def _is_unknown_host(error: BaseException) -> bool:
    reason = getattr(error, "os_error", error)  # aiohttp wraps it
    return isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME

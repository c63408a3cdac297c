"""What an exception of an object store's library means: gcsfs, s3fs, and fsspec over http each have their own.

In: the exception. Out: one of `StoreFailure`, and a sentence without secrets. Nothing of those libraries is imported:
an answer is known by its HTTP status, everything else by the name of its class.
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


class StoreFailure(Enum):
    """Why a store did not do what it was asked for."""

    MISSING = "there is no such object"
    DENIED = "permission is denied"
    EXISTS = "there is an object already"
    BAD_ADDRESS = "its address cannot be used"
    PASSING = "the store does not answer as it should"
    LASTING = "the store refuses"


def store_failure_of(error: BaseException) -> StoreFailure:
    """What `error` means. `PASSING` is worth another attempt."""
    causes = tuple(_causes(error))
    for cause in causes:
        trouble = _of_status(_status(cause))
        if trouble is not None:
            return trouble
    last = causes[-1]
    names = {cls.__name__ for cls in type(last).__mro__}
    if names & BAD_ADDRESS_CLASSES or _is_unknown_host(last):
        return StoreFailure.BAD_ADDRESS
    if isinstance(last, FileExistsError):
        return StoreFailure.EXISTS
    if isinstance(last, FileNotFoundError):
        return StoreFailure.MISSING
    if isinstance(last, PermissionError) or str(last).startswith("Forbidden"):  # gcsfs tells it in words alone
        return StoreFailure.DENIED
    if isinstance(last, TimeoutError | socket.gaierror) or names & PASSING_CLASSES:
        return StoreFailure.PASSING
    if isinstance(last, OSError) and last.errno in PASSING_ERRNOS:
        return StoreFailure.PASSING
    return StoreFailure.BAD_ADDRESS if isinstance(last, ValueError) else StoreFailure.LASTING


def describe(error: BaseException) -> str:
    """`error` in a line that may be logged and kept."""
    last = tuple(_causes(error))[-1]
    trouble = store_failure_of(error)
    if trouble in (StoreFailure.MISSING, StoreFailure.DENIED, StoreFailure.EXISTS):
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


def _of_status(status: int | None) -> StoreFailure | None:
    if status is None or status < 400:
        return None
    named = {
        401: StoreFailure.DENIED,
        403: StoreFailure.DENIED,
        404: StoreFailure.MISSING,
        410: StoreFailure.MISSING,
        412: StoreFailure.EXISTS,
    }
    if status in named:
        return named[status]
    is_passing = status in PASSING_STATUSES or (status >= 500 and status not in LASTING_STATUSES)
    return StoreFailure.PASSING if is_passing else StoreFailure.LASTING


def _is_unknown_host(error: BaseException) -> bool:
    reason = getattr(error, "os_error", error)  # aiohttp wraps it
    return isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME

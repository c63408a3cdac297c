"""Classification of the exceptions that gcsfs, s3fs and fsspec's http store raise.

In: an exception. Out: a `StoreFailure`, and a description without secrets. None of those libraries is imported:
responses are recognised by their HTTP status, other exceptions by the name of their class.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus

from cluster.storage.redaction import redacted

MESSAGE_CHARACTERS = 500
# Timeouts, rate limits and S3's conflict of two writes; any other 4xx would be answered in the same way again.
TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
TRANSIENT_ERRNOS = frozenset({errno.EBUSY, errno.EIO, errno.EREMOTEIO})  # s3fs: for 503, unknown codes, 500
TRANSIENT_CLASSES = frozenset(
    {
        "ClientError",  # aiohttp: refused, reset and broken connections
        "ConnectionError",  # Python, botocore: likewise
        "HTTPClientError",  # botocore: likewise
        "ResponseParserError",  # botocore: an overloaded server does not answer with XML
        "RequestException",  # requests, in gcsfs
        "TransportError",  # google.auth: the token server cannot be reached
        "RefreshError",  # google.auth: the token server refused, which can be transient
        "ChecksumError",  # gcsfs: corrupted in transit
        "IncompleteRead",
    }
)
BAD_ADDRESS_CLASSES = frozenset(
    {
        "InvalidURL",
        "NonHttpUrlClientError",
        "NarrowRedirectError",
        "PrivateAddressError",
        "TooManyRedirects",
        "SSLCertVerificationError",
    }
)

SENTENCES = {"TooManyRedirects": "its server redirects in a loop"}  # in place of what the exceptions say


class StoreFailure(Enum):
    """Why a request to a store failed; the values are parts of messages."""

    MISSING = "there is no such object"
    DENIED = "permission is denied"
    EXISTS = "there is an object already, or another one"
    BAD_ADDRESS = "its address cannot be used"
    UNSUPPORTED = "the store does not support this"
    TRANSIENT = "the store does not respond properly"
    PERMANENT = "the store refuses"


def store_failure_of(error: BaseException) -> StoreFailure:
    """The kind of failure behind `error`. `TRANSIENT` ones are worth a retry."""
    causes = tuple(_causes(error))
    for cause in causes:
        failure = _of_status(_status(cause))
        if failure is not None:
            return failure
    last = causes[-1]
    names = {cls.__name__ for cls in type(last).__mro__}
    if names & BAD_ADDRESS_CLASSES or _is_unknown_host(last):
        return StoreFailure.BAD_ADDRESS
    if isinstance(last, FileExistsError):
        return StoreFailure.EXISTS
    if isinstance(last, FileNotFoundError):
        return StoreFailure.MISSING
    if isinstance(last, PermissionError) or str(last).startswith("Forbidden"):  # gcsfs has no status for it
        return StoreFailure.DENIED
    if isinstance(last, TimeoutError | socket.gaierror) or names & TRANSIENT_CLASSES:
        return StoreFailure.TRANSIENT
    if isinstance(last, OSError) and last.errno in TRANSIENT_ERRNOS:
        return StoreFailure.TRANSIENT
    return StoreFailure.BAD_ADDRESS if isinstance(last, ValueError) else StoreFailure.PERMANENT


def describe(error: BaseException) -> str:
    """`error` in one line, without secrets, for logs and records."""
    last = tuple(_causes(error))[-1]
    failure = store_failure_of(error)
    if failure in (StoreFailure.MISSING, StoreFailure.DENIED, StoreFailure.EXISTS):
        return str(failure.value)
    text = SENTENCES.get(type(last).__name__, f"{type(last).__name__}: {last}")
    return redacted(f"{failure.value}: {text}")[:MESSAGE_CHARACTERS]


def is_beyond_end(error: BaseException) -> bool:
    """Whether a range was asked for that begins after the end of a file."""
    return any(_status(cause) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and its causes: fsspec's http store wraps every failure in a `FileNotFoundError`."""
    yield error
    while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
        yield error


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)  # botocore, behind s3fs
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None)  # aiohttp
        status = getattr(error, "code", None) if status is None else status  # gcsfs
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
        501: StoreFailure.UNSUPPORTED,
        505: StoreFailure.UNSUPPORTED,
    }
    if status in named:
        return named[status]
    return StoreFailure.TRANSIENT if status in TRANSIENT_STATUSES or status >= 500 else StoreFailure.PERMANENT


def _is_unknown_host(error: BaseException) -> bool:
    reason = getattr(error, "os_error", error)  # aiohttp wraps it
    return isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME

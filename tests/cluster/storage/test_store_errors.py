import socket
import ssl

import aiohttp
import botocore.exceptions
import google.auth.exceptions
import pytest
import requests.exceptions
from fsspec.exceptions import FSTimeoutError
from gcsfs.retry import HttpError
from multidict import CIMultiDict, CIMultiDictProxy
from s3fs.errors import translate_boto_error
from yarl import URL

from cluster.storage.store_errors import StoreFailure, describe, store_failure_of


def answered(status: int) -> Exception:
    """What aiohttp raises."""
    url = URL("https://host/a?sig=SECRET")
    return aiohttp.ClientResponseError(
        aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict())), (), status=status
    )


def s3_error(code: str, status: int) -> Exception:
    """What s3fs raises for a response."""
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(botocore.exceptions.ClientError(response, "GetObject"))


def wrapped(cause: Exception) -> Exception:
    """What fsspec's http store raises, whatever has happened."""
    error = FileNotFoundError("https://host/a")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        *((answered(status), StoreFailure.TRANSIENT) for status in (408, 409, 429, 500, 502, 503, 504)),
        *((wrapped(answered(status)), StoreFailure.DENIED) for status in (401, 403)),
        (wrapped(answered(410)), StoreFailure.MISSING),
        (answered(400), StoreFailure.PERMANENT),
        (answered(501), StoreFailure.UNSUPPORTED),
        (FileNotFoundError("x"), StoreFailure.MISSING),
        (FileExistsError("x"), StoreFailure.EXISTS),
        (HttpError({"code": 503, "message": "m"}), StoreFailure.TRANSIENT),
        (HttpError({"code": "429", "message": "m"}), StoreFailure.TRANSIENT),
        (HttpError({"code": 400, "message": "m"}), StoreFailure.PERMANENT),
        (OSError("Forbidden: gs://b/a\nno"), StoreFailure.DENIED),
        (ValueError("Bad Request: invalid bucket"), StoreFailure.BAD_ADDRESS),
        (s3_error("SlowDown", 503), StoreFailure.TRANSIENT),
        (s3_error("InternalError", 500), StoreFailure.TRANSIENT),
        (s3_error("AccessDenied", 403), StoreFailure.DENIED),
        (s3_error("PreconditionFailed", 412), StoreFailure.EXISTS),
        (s3_error("ConditionalRequestConflict", 409), StoreFailure.TRANSIENT),
        (s3_error("NotImplemented", 501), StoreFailure.UNSUPPORTED),
        (s3_error("InvalidAccessKeyId", 403), StoreFailure.DENIED),
        (s3_error("NoSuchBucket", 404), StoreFailure.MISSING),
        (s3_error("InvalidBucketName", 400), StoreFailure.PERMANENT),
        (botocore.exceptions.NoCredentialsError(), StoreFailure.PERMANENT),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), StoreFailure.TRANSIENT),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), StoreFailure.TRANSIENT),
        (requests.exceptions.ProxyError(), StoreFailure.TRANSIENT),
        (google.auth.exceptions.TransportError("x"), StoreFailure.TRANSIENT),
        (google.auth.exceptions.DefaultCredentialsError("x"), StoreFailure.PERMANENT),
        (aiohttp.ServerDisconnectedError(), StoreFailure.TRANSIENT),
        (aiohttp.ClientPayloadError("x"), StoreFailure.TRANSIENT),
        (wrapped(aiohttp.InvalidURL("x")), StoreFailure.BAD_ADDRESS),
        (ssl.SSLCertVerificationError("x"), StoreFailure.BAD_ADDRESS),
        (socket.gaierror(socket.EAI_NONAME, "x"), StoreFailure.BAD_ADDRESS),
        (socket.gaierror(socket.EAI_AGAIN, "x"), StoreFailure.TRANSIENT),
        (FSTimeoutError(), StoreFailure.TRANSIENT),
        (ConnectionResetError(), StoreFailure.TRANSIENT),
        (KeyError("x"), StoreFailure.PERMANENT),
    ],
    ids=lambda value: value.name if isinstance(value, StoreFailure) else repr(value)[:40],
)
def test_exceptions_are_classified(error, failure):
    assert store_failure_of(error) is failure


def test_a_failure_is_described_without_secrets():
    assert describe(FileNotFoundError("/tmp/x")) == "there is no such object"
    text = describe(wrapped(answered(503)))
    assert "503" in text
    assert "SECRET" not in text
    assert len(describe(KeyError("x" * 10_000))) < 600

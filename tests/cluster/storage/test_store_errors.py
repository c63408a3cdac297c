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
    """What s3fs makes of an answer."""
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(botocore.exceptions.ClientError(response, "GetObject"))


def wrapped(cause: Exception) -> Exception:
    """What fsspec's http store raises, whatever has happened."""
    error = FileNotFoundError("https://host/a")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        *((answered(status), StoreFailure.PASSING) for status in (408, 429, 500, 502, 503, 504)),
        *((wrapped(answered(status)), StoreFailure.DENIED) for status in (401, 403)),
        (wrapped(answered(410)), StoreFailure.MISSING),
        (answered(400), StoreFailure.LASTING),
        (answered(501), StoreFailure.LASTING),
        (FileNotFoundError("x"), StoreFailure.MISSING),
        (FileExistsError("x"), StoreFailure.EXISTS),
        (HttpError({"code": 503, "message": "m"}), StoreFailure.PASSING),
        (HttpError({"code": "429", "message": "m"}), StoreFailure.PASSING),
        (HttpError({"code": 400, "message": "m"}), StoreFailure.LASTING),
        (OSError("Forbidden: gs://b/a\nno"), StoreFailure.DENIED),
        (ValueError("Bad Request: invalid bucket"), StoreFailure.BAD_ADDRESS),
        (s3_error("SlowDown", 503), StoreFailure.PASSING),
        (s3_error("InternalError", 500), StoreFailure.PASSING),
        (s3_error("AccessDenied", 403), StoreFailure.DENIED),
        (s3_error("InvalidAccessKeyId", 403), StoreFailure.DENIED),
        (s3_error("NoSuchBucket", 404), StoreFailure.MISSING),
        (s3_error("InvalidBucketName", 400), StoreFailure.LASTING),
        (botocore.exceptions.NoCredentialsError(), StoreFailure.LASTING),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), StoreFailure.PASSING),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), StoreFailure.PASSING),
        (requests.exceptions.ProxyError(), StoreFailure.PASSING),
        (google.auth.exceptions.TransportError("x"), StoreFailure.PASSING),
        (google.auth.exceptions.DefaultCredentialsError("x"), StoreFailure.LASTING),
        (aiohttp.ServerDisconnectedError(), StoreFailure.PASSING),
        (aiohttp.ClientPayloadError("x"), StoreFailure.PASSING),
        (wrapped(aiohttp.InvalidURL("x")), StoreFailure.BAD_ADDRESS),
        (ssl.SSLCertVerificationError("x"), StoreFailure.BAD_ADDRESS),
        (socket.gaierror(socket.EAI_NONAME, "x"), StoreFailure.BAD_ADDRESS),
        (socket.gaierror(socket.EAI_AGAIN, "x"), StoreFailure.PASSING),
        (FSTimeoutError(), StoreFailure.PASSING),
        (ConnectionResetError(), StoreFailure.PASSING),
        (KeyError("x"), StoreFailure.LASTING),
    ],
    ids=lambda value: value.name if isinstance(value, StoreFailure) else repr(value)[:40],
)
def test_exceptions_mean_trouble(error, trouble):
    assert store_failure_of(error) is trouble


def test_trouble_is_described_without_secrets():
    assert describe(FileNotFoundError("/tmp/x")) == "there is no such object"
    text = describe(wrapped(answered(503)))
    assert "503" in text
    assert "SECRET" not in text
    assert len(describe(KeyError("x" * 10_000))) < 600

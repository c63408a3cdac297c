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

from cluster.storage.store_errors import Trouble, describe, trouble_of


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
        *((answered(status), Trouble.PASSING) for status in (408, 429, 500, 502, 503, 504)),
        *((wrapped(answered(status)), Trouble.DENIED) for status in (401, 403)),
        (wrapped(answered(410)), Trouble.MISSING),
        (answered(400), Trouble.LASTING),
        (answered(501), Trouble.LASTING),
        (FileNotFoundError("x"), Trouble.MISSING),
        (FileExistsError("x"), Trouble.EXISTS),
        (HttpError({"code": 503, "message": "m"}), Trouble.PASSING),
        (HttpError({"code": "429", "message": "m"}), Trouble.PASSING),
        (HttpError({"code": 400, "message": "m"}), Trouble.LASTING),
        (OSError("Forbidden: gs://b/a\nno"), Trouble.DENIED),
        (ValueError("Bad Request: invalid bucket"), Trouble.BAD_ADDRESS),
        (s3_error("SlowDown", 503), Trouble.PASSING),
        (s3_error("InternalError", 500), Trouble.PASSING),
        (s3_error("AccessDenied", 403), Trouble.DENIED),
        (s3_error("InvalidAccessKeyId", 403), Trouble.DENIED),
        (s3_error("NoSuchBucket", 404), Trouble.MISSING),
        (s3_error("InvalidBucketName", 400), Trouble.LASTING),
        (botocore.exceptions.NoCredentialsError(), Trouble.LASTING),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), Trouble.PASSING),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), Trouble.PASSING),
        (requests.exceptions.ProxyError(), Trouble.PASSING),
        (google.auth.exceptions.TransportError("x"), Trouble.PASSING),
        (google.auth.exceptions.DefaultCredentialsError("x"), Trouble.LASTING),
        (aiohttp.ServerDisconnectedError(), Trouble.PASSING),
        (aiohttp.ClientPayloadError("x"), Trouble.PASSING),
        (wrapped(aiohttp.InvalidURL("x")), Trouble.BAD_ADDRESS),
        (ssl.SSLCertVerificationError("x"), Trouble.BAD_ADDRESS),
        (socket.gaierror(socket.EAI_NONAME, "x"), Trouble.BAD_ADDRESS),
        (socket.gaierror(socket.EAI_AGAIN, "x"), Trouble.PASSING),
        (FSTimeoutError(), Trouble.PASSING),
        (ConnectionResetError(), Trouble.PASSING),
        (KeyError("x"), Trouble.LASTING),
    ],
    ids=lambda value: value.name if isinstance(value, Trouble) else repr(value)[:40],
)
def test_exceptions_mean_trouble(error, trouble):
    assert trouble_of(error) is trouble


def test_trouble_is_described_without_secrets():
    assert describe(FileNotFoundError("/tmp/x")) == "there is no such object"
    text = describe(wrapped(answered(503)))
    assert "503" in text
    assert "SECRET" not in text
    assert len(describe(KeyError("x" * 10_000))) < 600

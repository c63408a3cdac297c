"""Bodies as servers hand them on: with limits on every route, whatever their headers claim."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from cluster.serving import bodies
from cluster.serving.bodies import FORM_BYTES, SMALL_BYTES, UPLOAD_PATH, Body, ReceptionLimits
from cluster.serving.errors import ApiError

LIMITS = ReceptionLimits(1 << 20, 0.6, 0.3)
CORRECTIONS = "/v1/videos/x/corrections"


class Client:
    """Sends `parts` of a body, `pause` seconds apart; then it is silent."""

    def __init__(self, *parts: bytes, pause: float = 0.0, more: bool = True) -> None:
        self.left, self.pause, self.more = list(parts), pause, more
        self.taken = 0

    async def __call__(self) -> Any:
        await asyncio.sleep(self.pause if self.left else 60)
        self.taken += 1
        body = self.left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.left) or self.more}


def body_of(client: Client, path: str = CORRECTIONS, **headers: str) -> Body:
    headers = headers or {"transfer_encoding": "chunked"}
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Body({"type": "http", "method": "POST", "path": path, "headers": named}, client, LIMITS)


def read(body: Body) -> bytes:
    async def scene() -> bytes:
        content = b""
        while not body.is_over:
            content += (await body())["body"]
        return content

    return asyncio.run(scene())


def code_of(body: Body) -> str:
    with pytest.raises(ApiError) as caught:
        read(body)
    return caught.value.code


def test_a_body_within_its_limits_is_handed_on():
    assert read(body_of(Client(b"ab", b"", b"c", more=False))) == b"abc"
    assert read(body_of(Client(bytes(SMALL_BYTES), more=False))) == bytes(SMALL_BYTES)
    form = {"content_type": "Multipart/Form-Data; boundary=x", "transfer_encoding": "chunked"}
    assert len(read(body_of(Client(bytes(1 << 20), b"x", more=False), UPLOAD_PATH, **form))) == (1 << 20) + 1


@pytest.mark.parametrize("path", [CORRECTIONS, UPLOAD_PATH, "/v1/session", "/nothing"])
def test_a_body_is_small_on_every_route_but_for_uploads(path):
    client = Client(bytes(SMALL_BYTES), b"x", b"more")
    assert code_of(body_of(client, path)) == "too_large"
    assert client.taken == 2
    claiming = Client(b"x")
    assert code_of(body_of(claiming, path, content_length=str(SMALL_BYTES + 1))) == "too_large"
    assert claiming.taken == 0


def test_an_upload_has_a_limit_too():
    form = {"content_type": "multipart/form-data; boundary=x"}
    large = Client(bytes(1 << 20), bytes(FORM_BYTES), b"x")
    assert code_of(body_of(large, UPLOAD_PATH, transfer_encoding="chunked", **form)) == "too_large"
    assert code_of(body_of(Client(), UPLOAD_PATH, content_length=str(1 << 40), **form)) == "too_large"
    assert code_of(body_of(Client(bytes(1 << 17)), transfer_encoding="chunked", **form)) == "too_large"  # elsewhere


def test_a_client_that_stalls_or_trickles_is_given_up():
    started = time.monotonic()
    assert code_of(body_of(Client(b"{"))) == "timeout"
    assert code_of(body_of(Client(*itertools.repeat(b" ", 100), pause=0.05))) == "timeout"
    form = {"content_type": "multipart/form-data; boundary=x", "transfer_encoding": "chunked"}
    assert code_of(body_of(Client(*itertools.repeat(b" ", 100), pause=0.05), UPLOAD_PATH, **form)) == "timeout"
    assert time.monotonic() - started < 5


def test_a_request_without_a_body_is_over():
    assert body_of(Client(), host="h").is_over
    assert body_of(Client(), content_length="0").is_over
    assert not body_of(Client(), content_length="1").is_over


def test_what_nobody_has_read_is_discarded_for_a_moment(monkeypatch):
    monkeypatch.setattr(bodies, "DISCARD_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "DISCARDED_BYTES", 1000)

    def left_of(client: Client, **headers: str) -> tuple[bool, int]:
        body = body_of(client, **headers)
        asyncio.run(body.discard())
        return body.is_over, client.taken

    assert left_of(Client(b"a", b"b", more=False)) == (True, 2)
    assert left_of(Client(*[bytes(400)] * 10)) == (False, 3)
    assert left_of(Client(b"a")) == (False, 1)
    assert left_of(Client(b"a", more=False), content_length="1", expect="100-continue") == (False, 0)  # not asked for

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster.serving.gate import HEADERS, SESSION, SESSION_PATH, Gate, Rates
from cluster.serving.metrics import Metrics

TOKEN = "a-token-of-many-characters"


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def ask(
    gate: Gate,
    path: str = "/v1/models",
    *,
    kind: str = "http",
    method: str = "GET",
    subprotocols: Any = (),
    **headers: str,
) -> Any:
    """The messages that a request is answered with."""
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(b"host", b"here:8000"), *named],
        "client": ("10.0.0.7", 5),
        "subprotocols": subprotocols,
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(scope, None, send))  # type: ignore[arg-type]
    return sent


def status(sent: Any) -> int:
    found: int = sent[0]["status"]
    return found


@pytest.fixture
def gate():
    return Gate(application, TOKEN, 6000, Metrics())


def test_a_token_opens_and_nothing_else_does(gate):
    assert status(ask(gate, authorization=f"Bearer {TOKEN}")) == 200
    assert status(ask(gate, authorization=f"bearer  {TOKEN} ")) == 200
    for given in (
        {},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": ""},
    ):
        refused = ask(gate, **given)
        assert status(refused) == 401
        assert (b"www-authenticate", b"Bearer") in refused[0]["headers"]
        assert TOKEN.encode() not in refused[1]["body"]
    for path in ("/", "/static/page.js", "/healthz", "/openapi.json"):
        assert status(ask(gate, path)) == 200
    assert status(ask(gate, "/metrics")) == 401
    assert status(ask(gate, "/static/../v1/models")) == 200  # to the folder of static files, which has no such file


def test_a_camera_brings_its_token_as_a_protocol(gate):
    assert ask(gate, kind="websocket", subprotocols=["framemill", f"bearer.{TOKEN}"])[0]["type"] != "websocket.close"
    assert ask(gate, kind="websocket", subprotocols=["framemill", "bearer.x"])[0]["type"] == "websocket.close"
    assert ask(gate, kind="websocket")[0]["type"] == "websocket.close"


def test_a_session_opens_with_the_token_alone_and_does_not_tell_it(gate):
    seen: list[str] = []

    async def told(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[SESSION])
        await application(scope, receive, send)

    gate = Gate(told, TOKEN, 6000, Metrics())
    assert status(ask(gate, authorization=f"Bearer {TOKEN}")) == 200
    (session,) = seen
    assert TOKEN not in session
    assert status(ask(gate, cookie=f"a=b; framemill={session}")) == 200
    assert ask(gate, kind="websocket", cookie=f"framemill={session}")[0]["type"] != "websocket.close"
    for wrong in (session[:-1], TOKEN, "", "é"):
        assert status(ask(gate, cookie=f"framemill={wrong}")) == 401
    assert status(ask(gate, SESSION_PATH, method="POST", cookie=f"framemill={session}")) == 401
    assert status(ask(gate, SESSION_PATH, method="POST", authorization=f"Bearer {TOKEN}")) == 200
    assert status(ask(gate, origin="http://evil.example", cookie=f"framemill={session}")) == 403


def test_requests_of_other_pages_are_refused():
    gate = Gate(application, None, 6000, Metrics())
    assert status(ask(gate, origin="http://here:8000")) == 200
    for origin in ("http://evil.example", "null", "http://here:8001", "http://here:8000.evil.example"):
        assert status(ask(gate, origin=origin)) == 403
    assert ask(gate, kind="websocket", origin="http://evil.example")[0]["type"] == "websocket.close"


def test_every_answer_has_the_headers(gate):
    for sent in (ask(gate), ask(gate, authorization=f"Bearer {TOKEN}")):
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert found.items() >= HEADERS.items()


def test_rates_are_those_of_each_client_and_recover():
    rates = Rates(60)  # 15 at once, one a second
    assert [rates.take("a", 0.0) for _ in range(15)] == [0.0] * 15
    assert rates.take("a", 0.0) == pytest.approx(1.0)
    assert rates.take("b", 0.0) == 0
    assert rates.take("a", 0.5) == pytest.approx(0.5)
    assert rates.take("a", 1.1) == 0
    assert [rates.take("a", 1000.0) for _ in range(16)][-1] > 0


def test_a_client_that_asks_too_often_is_told_when_to_come_again():
    gate = Gate(application, None, 4, Metrics())
    assert status(ask(gate)) == 200
    refused = ask(gate)
    assert status(refused) == 429
    assert int(dict(refused[0]["headers"])[b"retry-after"]) == 15


def test_the_files_of_the_page_are_many_and_not_counted():
    gate = Gate(application, TOKEN, 4, Metrics())
    answers = [ask(gate, path) for path in ("/", "/static/start.js", "/static/page.css") * 5]
    assert {status(answer) for answer in answers} == {200}
    assert all((b"cache-control", b"no-cache") in answer[0]["headers"] for answer in answers)
    assert status(ask(gate, authorization=f"Bearer {TOKEN}")) == 200
    assert status(ask(gate, authorization=f"Bearer {TOKEN}")) == 429

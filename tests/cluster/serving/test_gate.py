from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster.serving.bodies import ReceptionLimits
from cluster.serving.gate import HEADERS, SESSION, SESSION_PATH, Gate, Rates, is_loopback
from cluster.serving.metrics import Metrics

TOKEN = "a-token-of-many-characters"


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def gate_of(
    told: Any = application, token: str | None = TOKEN, *, per_minute: float = 6000, is_local: bool = False
) -> Gate:
    uploads = ReceptionLimits(1 << 20, 10.0, 10.0)
    return Gate(told, token, per_minute, Metrics(), uploads=uploads, is_local=is_local)


def ask(
    gate: Gate,
    path: str = "/v1/models",
    *,
    kind: str = "http",
    method: str = "GET",
    subprotocols: Any = (),
    host: str = "here:8000",
    receive: Any = None,
    **headers: str,
) -> Any:
    """The messages that a request is answered with."""
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(b"host", host.encode("latin-1")), *named],
        "client": ("10.0.0.7", 5),
        "subprotocols": subprotocols,
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    return sent


def status(sent: Any) -> int:
    found: int = sent[0]["status"]
    return found


@pytest.fixture
def gate():
    return gate_of()


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
    # A browser does not show a page why a handshake was refused: the page is told after it.
    for subprotocols, spoken in (["framemill", "bearer.x"], "framemill"), ((), None):
        assert ask(gate, kind="websocket", subprotocols=subprotocols) == [
            {"type": "websocket.accept", "subprotocol": spoken},
            {"type": "websocket.close", "code": 1008, "reason": "unauthorized"},
        ]


def test_a_session_opens_with_the_token_alone_and_does_not_tell_it(gate):
    seen: list[str] = []

    async def told(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[SESSION])
        await application(scope, receive, send)

    gate = gate_of(told)
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
    gate = gate_of(token=None)
    assert status(ask(gate, origin="http://here:8000")) == 200
    for origin in ("http://evil.example", "null", "http://here:8001", "http://here:8000.evil.example", "http://[::1"):
        assert status(ask(gate, origin=origin)) == 403
    assert status(ask(gate, origin="null", host="")) == 403
    assert ask(gate, kind="websocket", origin="http://evil.example")[0]["type"] == "websocket.close"


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        *((name, True) for name in ("localhost:8000", "LOCALHOST", "127.0.0.1:80", "[::1]:8000", "a.localhost:1")),
        *((name, False) for name in ("evil.example:8000", "here", "localhost.evil.example", "127.0.0.1.nip.io", "")),
        *((name, False) for name in ("[::1", "localhost:8000@evil.example", "evil.example/localhost")),
    ],
)
def test_a_service_of_this_machine_goes_by_no_name_that_others_can_lead_here(host, is_ours):
    local = gate_of(token=None, is_local=True)
    assert status(ask(local, host=host)) == (200 if is_ours else 403)
    assert status(ask(local, "/", host=host)) == (200 if is_ours else 403)
    assert (ask(local, kind="websocket", host=host)[0]["type"] != "websocket.close") == is_ours
    for other in (gate_of(token=None), gate_of(is_local=True)):  # of a network; with a token, which pages have not
        assert status(ask(other, host=host, authorization=f"Bearer {TOKEN}")) == 200


def test_loopback_is_this_machine_alone():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.1.2.3")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.7", "example.org")))


def test_a_body_that_nobody_reads_is_read_before_the_response_and_ends_the_connection_if_it_goes_on():
    taken: list[int] = []

    def ending_after(parts: int) -> Any:
        async def receive() -> Any:
            taken.append(1)
            return {"type": "http.request", "body": bytes(1 << 20), "more_body": len(taken) != parts}

        return receive

    for gate, expected in ((gate_of(token=None), 200), (gate_of(), 401)):
        taken.clear()
        sent = ask(gate, receive=ending_after(3), transfer_encoding="chunked")
        assert (status(sent), len(taken)) == (expected, 3)
        taken.clear()
        sent = ask(gate, receive=ending_after(-1), transfer_encoding="chunked")
        assert (status(sent), (b"connection", b"close") in sent[0]["headers"]) == (expected, True)
        assert len(taken) < 100


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
    gate = gate_of(token=None, per_minute=4)
    assert status(ask(gate)) == 200
    refused = ask(gate)
    assert status(refused) == 429
    assert int(dict(refused[0]["headers"])[b"retry-after"]) == 15


def test_the_files_of_the_page_are_many_and_not_counted():
    gate = gate_of(per_minute=4)
    answers = [ask(gate, path) for path in ("/", "/static/start.js", "/static/page.css") * 5]
    assert {status(answer) for answer in answers} == {200}
    assert all((b"cache-control", b"no-cache") in answer[0]["headers"] for answer in answers)
    assert status(ask(gate, authorization=f"Bearer {TOKEN}")) == 200
    assert status(ask(gate, authorization=f"Bearer {TOKEN}")) == 429

"""What every request passes first: host, origin, token, the rate of its client, the limits of its body (`bodies`); and
the headers of every response.

Players, links and WebSockets of a page cannot send the token. It is exchanged for a cookie (`/v1/session`), which
scripts cannot read and other sites cannot make a browser send; it proves that its owner had the token, and is another.

An ASGI application around ours. Requests of other pages are refused, since a browser sends them along with whatever
reach it has, to a service on this machine, too. There, without a token, so are requests to a host of any name but
localhost: a page can have its own name lead to this machine, and then counts as ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser

from cluster.serving.bodies import Body, Message, Receive, ReceptionLimits, Scope
from cluster.serving.errors import ApiError, error_body
from cluster.serving.metrics import Metrics

Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_CLIENTS = 10_000  # whose rates are followed
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH")
BURST_SHARE = 4  # of a minute's requests, one part of so many at once
OPEN_PATHS = ("/healthz", "/openapi.json")
PAGE, PAGE_FOLDER = "/", "/static/"  # the page itself asks for the token
PROTOCOL, TOKEN_PROTOCOL = "framemill", "bearer."  # of WebSockets, for which a browser can send no other header
COOKIE, SESSION = "framemill", "framemill.session"  # the cookie's name, and where routes find its value in the scope
SESSION_PATH = "/v1/session"
LOCALHOST = "localhost"
REFUSED = 1008  # of a WebSocket
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Rates:
    """Requests of each client: `per_minute`, of which a part may come at once."""

    def __init__(self, per_minute: float) -> None:
        self._per_second, self._most = per_minute / 60, max(per_minute / BURST_SHARE, 1.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests, as of a time

    def take(self, client: str, now: float) -> float:
        """Count a request; returns the seconds after which it may come again, 0 where it may come now."""
        left, since = self._left.pop(client, (self._most, now))
        left = min(left + (now - since) * self._per_second, self._most)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._left[client] = (left if wait else left - 1, now)
        while len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return wait


class Gate:
    """Hands requests on to `application`, or refuses them. With a `token`, most paths need it.

    uploads   limits of uploads
    is_local  whether the service is for this machine alone
    """

    def __init__(
        self,
        application: Application,
        token: str | None,
        per_minute: float,
        metrics: Metrics,
        *,
        uploads: ReceptionLimits,
        is_local: bool,
    ) -> None:
        self._application, self._metrics = application, metrics
        self._uploads, self._checks_host = uploads, is_local and token is None
        self._token = None if token is None else token.encode()
        self._session = None if token is None else hmac.digest(token.encode(), SESSION.encode(), hashlib.sha256).hex()
        self._rates = Rates(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        started = time.monotonic()
        body = Body(scope, receive, self._uploads) if scope["type"] == "http" else None

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if body is not None and not body.is_over:
                    await body.discard()
                    headers["connection"] = "close"
                if _is_page(scope["path"]):
                    headers.setdefault("cache-control", "no-cache")  # only if it has not changed
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                method = scope["method"] if scope["method"] in METHODS else "other"
                self._metrics.requests.labels(method, str(message["status"])).inc()
                self._metrics.seconds.observe(time.monotonic() - started)
            await send(message)

        try:
            self._check(scope, started)
        except ApiError as error:
            await refuse(scope, send_on, error)
            return
        scope[SESSION] = self._session
        await self._application(scope, body or receive, send_on)

    def _check(self, scope: Scope, now: float) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        if self._checks_host and not _is_here(headers.get("host", "")):
            raise ApiError("forbidden", "call this service localhost, or have whoever runs it give it a token")
        wait = 0.0 if _is_page(path) else self._rates.take(client_of(scope), now)
        if wait:
            raise ApiError("busy", "too many requests", wait)
        origin = headers.get("origin")
        if origin and _host_of(origin) != headers.get("host", "").lower():
            raise ApiError("forbidden", "requests of other pages are not answered")
        if self._token is None or path in OPEN_PATHS or _is_page(path):
            return
        if not self._is_known(scope, headers):
            raise ApiError("unauthorized", "send the token of this service: Authorization: Bearer TOKEN")

    def _is_known(self, scope: Scope, headers: Headers) -> bool:
        assert self._token is not None
        if hmac.compare_digest(_token_of(scope, headers).encode(), self._token):
            return True
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        is_opening = scope["path"] == SESSION_PATH and scope.get("method") == "POST"  # which takes the token itself
        return not is_opening and hmac.compare_digest(cookie.encode(), (self._session or "").encode())


def _is_page(path: str) -> bool:
    """Whether it is a file of the page, which are many and small, hold no secret, and may be kept by browsers."""
    return path == PAGE or path.startswith(PAGE_FOLDER)


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None of one that has none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _is_here(host: str) -> bool:
    """Whether a host, with or without a port, is localhost or an address, which nobody else can have lead elsewhere."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == LOCALHOST or name.endswith(f".{LOCALHOST}") or _is_address(name)


def is_loopback(host: str) -> bool:
    """Whether what listens there can be reached from this machine alone."""
    return host.lower() == LOCALHOST or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def client_of(scope: Scope) -> str:
    """Who sends a request: the address of the connection."""
    client = scope.get("client")
    return client[0] if client else ""


def protocol_of(scope: Scope) -> str | None:
    """What a WebSocket speaks."""
    return PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None


def _token_of(scope: Scope, headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    named = [name for name in scope.get("subprotocols", ()) if name.startswith(TOKEN_PROTOCOL)]
    return named[0].removeprefix(TOKEN_PROTOCOL) if named else ""


async def refuse(scope: Scope, send: Send, error: ApiError) -> None:
    """Answer with an error. A page is told why its WebSocket is closed; a browser tells it nothing of a handshake."""
    if scope["type"] == "websocket":
        if error.code != "forbidden":  # to other pages nothing is said
            await send({"type": "websocket.accept", "subprotocol": protocol_of(scope)})
        await send({"type": "websocket.close", "code": REFUSED, "reason": error.code})
        return
    body = json.dumps(error_body(error.code, error.message)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_headers(error: ApiError) -> dict[str, str]:
    """Those of a response to a request that was refused; its body, if it comes at all, is not read."""
    headers = {"connection": "close"}
    if error.retry_seconds is not None:
        headers["retry-after"] = str(math.ceil(error.retry_seconds))
    if error.code == "unauthorized":
        headers["www-authenticate"] = "Bearer"
    return headers

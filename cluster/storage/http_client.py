"""The client for http servers, which may redirect, but not into a network that is narrower than their own.

An address that is given is its giver's business, wherever it leads. A redirect is the server's: it may lead to http and
https alone, ten times in a row, and never from a public address to a private one, nor from there to the machine itself.
What counts is the address that the connection has, whatever its name was resolved to before.

Where addresses are given by strangers (`ReadPolicy.allow_private_addresses`), the first one must be public, too. Then
nothing else is connected to at all: names are resolved to public addresses alone.
"""

from __future__ import annotations

import socket
from contextvars import ContextVar
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from typing_extensions import override

from cluster.storage.read_policy import ReadPolicy

NAT64 = IPv6Network("64:ff9b::/96")


class Reach(IntEnum):
    """Who can use an address, the fewest first."""

    MACHINE = 0
    LINK = 1
    PRIVATE = 2
    PUBLIC = 3


class NarrowRedirectError(aiohttp.ClientError):
    """A redirect from an address to another one that fewer can use."""


_last_reach: ContextVar[Reach] = ContextVar("_last_reach", default=Reach.MACHINE)  # of the request in work


def reach_of(address: str) -> Reach:
    """Who can use an IP address; one that stands for another (IPv4 in IPv6) counts as that."""
    ip = ip_address(address.partition("%")[0])
    inner = _inner(ip) if isinstance(ip, IPv6Address) else None
    if inner is not None:
        return reach_of(str(inner))
    if ip.is_loopback or ip.is_unspecified:
        return Reach.MACHINE
    if ip.is_link_local:
        return Reach.LINK
    is_site_local = isinstance(ip, IPv6Address) and ip.is_site_local
    return Reach.PUBLIC if ip.is_global and not ip.is_multicast and not is_site_local else Reach.PRIVATE


def _inner(ip: IPv6Address) -> IPv4Address | None:
    if ip in NAT64 or (0xFFFF < int(ip) < 1 << 32):  # translated, or `::a.b.c.d`
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class PrivateAddressError(aiohttp.ClientError):
    """An address that is not on the public internet, where others are refused."""


class _PublicResolver(AbstractResolver):
    """Resolves names to public addresses; one that has others, too, is refused."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    @override
    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            check_public(each["host"])
        return list(found)

    @override
    async def close(self) -> None:
        await self._resolver.close()


def check_public(address: str) -> None:
    """Raise `PrivateAddressError` for an IP address that is not public."""
    if reach_of(address) < Reach.PUBLIC:
        raise PrivateAddressError("it is not on the public internet")


class _Connector(aiohttp.TCPConnector):
    """Refuses a connection that a redirect must not lead to before anything is sent over it."""

    @override
    async def connect(self, req: aiohttp.ClientRequest, *arguments: Any, **options: Any) -> Any:
        if isinstance(self._resolver, _PublicResolver):
            _check_unresolved(req.url.host or "")
        connection = await super().connect(req, *arguments, **options)
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        if peer:
            reach, last = reach_of(peer[0]), _last_reach.get()
            if reach < last:
                connection.close()
                raise NarrowRedirectError(
                    f"it redirects from a {last.name.lower()} address to one of a narrower network, {peer[0]} "
                    "(--allow-private-redirects)"
                )
            _last_reach.set(reach)
        return connection


def _check_unresolved(host: str) -> None:
    """Raise `PrivateAddressError` for a host that is connected to without being resolved, unless it is public.

    One of numbers alone (`127.1`) is among them: the system makes an address of it in its own way.
    """
    if _is_ip(host):
        check_public(host)
    elif host.replace(".", "").isdigit():
        raise PrivateAddressError("it is a number, and not in the form of an address")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def patient(stall_seconds: float) -> aiohttp.ClientTimeout:
    """No limit for a whole request, where aiohttp's own, 300 s, would cut large files short; one between two bytes."""
    return aiohttp.ClientTimeout(total=None, sock_connect=stall_seconds, sock_read=stall_seconds)


async def _forget_reach(*_: SimpleNamespace) -> None:
    _last_reach.set(Reach.MACHINE)


async def _guarded_client(**options: Any) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_forget_reach)  # type: ignore[arg-type]  # it needs none of what it is given
    return aiohttp.ClientSession(connector=_Connector(), trace_configs=[trace], **options)


async def _public_client(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=_Connector(resolver=_PublicResolver()), **options)


async def _open_client(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(**options)


def client_of(policy: ReadPolicy) -> Any:
    """What makes the client, for fsspec."""
    if not policy.allow_private_addresses:
        return _public_client
    return _open_client if policy.allow_private_redirects else _guarded_client

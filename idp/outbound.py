"""The only door to the outside: every request this server makes goes through one guarded client.

The address is resolved once, *all* answers must be allowed, and the connection goes to the address that was checked,
so a name that changes its mind in between gains nothing. No redirects, no proxies, bounded time and size.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2

from idp.config.reach import IPAddress, IPNetwork, Reach

SECONDS = 5.0
MAX_BODY = 65_536


class OutboundError(Exception):
    """The request was not made, or its answer not taken. The text names the cause and never the answer's content."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class AddressGuard:
    """Says which addresses may be called: public unicast ones, and the networks the operator named."""

    def __init__(self, allow: Sequence[IPNetwork] = ()) -> None:
        self._reach = Reach(tuple(allow))

    def permits(self, address: IPAddress) -> bool:
        return self._reach.permits(address)

    async def resolve(self, host: str, port: int) -> str:
        """One address of ``host`` that may be called. Raises OutboundError unless every answer may be."""
        for address in (found := await _addresses(host, port)):
            if not self.permits(address):
                raise OutboundError(f"{host} is not an address this server may call (setting outbound.allow)")
        return str(found[0])


async def _addresses(host: str, port: int) -> list[IPAddress]:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return [ipaddress.ip_address("127.0.0.1")]  # RFC 6761 6.3: never asked of DNS
    try:
        return [ipaddress.ip_address(host.strip("[]"))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OutboundError(f"{host} cannot be resolved") from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        address = await self._guard.resolve(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _GuardedTransport(httpx2.AsyncHTTPTransport):
    def __init__(self, guard: AddressGuard, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        # The transport has no argument for the backend, the pool does.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context, max_connections=32, max_keepalive_connections=0, network_backend=_GuardedBackend(guard)
        )


class Outbound:
    """``allow`` are networks beside the public ones; ``loopback`` adds this machine and plain http to it (dev)."""

    def __init__(self, allow: Sequence[str] = (), ca_file: Path | None = None, *, loopback: bool = False) -> None:
        self._loopback = loopback
        self.guard = AddressGuard(Reach.of(allow, loopback=loopback).networks)
        self._ca_file = ca_file
        self._client: httpx2.AsyncClient | None = None

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:  # made at first use: reading the system's certificates takes 20 ms
            context = ssl.create_default_context(cafile=self._ca_file)
            self._client = httpx2.AsyncClient(
                transport=_GuardedTransport(self.guard, context),
                timeout=SECONDS,
                follow_redirects=False,
                trust_env=False,
                headers={"User-Agent": "idp", "Accept-Encoding": "identity"},
            )
        return self._client

    async def post_form(self, url: str, form: Mapping[str, str]) -> Answer:
        """POST urlencoded ``form``. Raises OutboundError when refused, unreachable, slow, or answering too much."""
        return await self._send("POST", url, MAX_BODY, data=form)

    async def get(self, url: str, accept: str, limit: int = MAX_BODY) -> Answer:
        """GET a document of at most ``limit`` bytes, whatever its status; ``accept`` as in RFC 9110 12.5.1.

        Raises OutboundError as ``post_form`` does. A redirect is an answer like any other: it is not followed."""
        return await self._send("GET", url, limit, headers={"Accept": accept})

    async def ask(self, method: str, url: str, headers: Sequence[tuple[str, str]], limit: int = MAX_BODY) -> Answer:
        """Any request without a body; a header may stand in ``headers`` twice. Raises OutboundError as ``get`` does."""
        return await self._send(method, url, limit, headers=list(headers))

    async def _send(self, method: str, url: str, limit: int, **content: Any) -> Answer:
        self._check(url)
        try:
            async with asyncio.timeout(SECONDS), self._open().stream(method, url, **content) as response:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise OutboundError(f"the answer is larger than {limit} bytes")
                return Answer(response.status_code, dict(response.headers), bytes(body))
        except TimeoutError as error:
            raise OutboundError(f"no answer within {SECONDS:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise OutboundError(type(error).__name__) from error

    def _check(self, url: str) -> None:
        """https; or http where dev calls this machine."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise OutboundError("the address cannot be taken apart") from error
        host = (parts.hostname or "").lower()
        local = host == "localhost" or host.endswith(".localhost") or _is_loopback(host)
        if parts.scheme != "https" and not (parts.scheme == "http" and self._loopback and local):
            raise OutboundError(f"{parts.scheme or 'no scheme'} is not https")

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

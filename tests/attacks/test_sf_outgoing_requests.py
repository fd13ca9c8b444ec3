"""SF: the one door to the outside opens to public addresses only, follows nothing, and shuts in time."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from attack_support import Canary, World
from attack_world import MANIFEST

from idp import outbound as module
from idp.manifest import ManifestError
from idp.outbound import MAX_BODY, AddressGuard, Outbound, OutboundError

pytestmark = pytest.mark.anyio

INSIDE = [
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "https://[::1]:{port}/",
    "https://0.0.0.0:{port}/",
    "https://169.254.169.254:{port}/latest/meta-data/",
    "https://10.0.0.1:{port}/",
    "https://192.168.1.1:{port}/",
    "https://172.16.0.1:{port}/",
    "https://100.64.0.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[fc00::1]:{port}/",
    "https://[::]:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST.:{port}/",
    "https://rp.localhost:{port}/",
    "https://224.0.0.1:{port}/",
    "https://255.255.255.255:{port}/",
    "https://rp.test@127.0.0.1:{port}/",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/x",
    "data:text/html,x",
    "unix:///run/x",
    "//127.0.0.1:{port}/",
    "https:///x",
    "https://",
    "",
    "https://exa mple/",
    "https://[::1/",
    "https://127.0.0.1:99999/",
]


@pytest.mark.parametrize("pattern", INSIDE)
async def test_sf_07_nothing_inside_is_called(pattern: str) -> None:
    canary = await Canary.start()
    outbound = Outbound()
    async with canary.server:
        url = pattern.replace("{port}", str(canary.port))
        with pytest.raises(OutboundError):
            await outbound.post_form(url, {"logout_token": "x"})
        assert canary.visits == 0
    await outbound.aclose()


async def test_sf_07_a_name_that_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address of a name must be allowed, and the one that was checked is the one that is called."""
    loop = asyncio.get_running_loop()
    answers: list[list[str]] = [["93.184.216.34", "127.0.0.1"], ["127.0.0.1"], ["::ffff:10.0.0.1"], []]

    async def resolved(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, 443)) for address in answers[0]]

    monkeypatch.setattr(loop, "getaddrinfo", resolved)
    for _ in range(3):
        with pytest.raises(OutboundError):
            await AddressGuard().resolve("rebinding.test", 443)
        answers.pop(0)


def test_sf_07_addresses() -> None:
    guard = AddressGuard([ipaddress.ip_network("10.1.0.0/16")])
    for good in ("93.184.216.34", "2606:2800:220:1::1", "10.1.2.3"):
        assert guard.permits(ipaddress.ip_address(good)), good
    for bad in (
        "10.2.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::ffff:10.2.0.1",
        "::ffff:0:127.0.0.1",
        "fd00::1",
    ):
        assert not guard.permits(ipaddress.ip_address(bad)), bad


@pytest.mark.parametrize(
    "uri",
    [
        "http://10.0.0.1/logout",
        "http://rp.test/logout",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user@rp.test/logout",
        "https://rp.test/logout#x",
        "https://*.rp.test/",
        "https://{host}/logout",
    ],
)
async def test_sf_07_addresses_that_cannot_be_registered(world: World, uri: str) -> None:
    text = MANIFEST.replace('client_id = "web"\n', f'client_id = "web"\nbackchannel_logout_uri = {json.dumps(uri)}\n')
    async with world.unchanged():
        with pytest.raises(ManifestError):
            await world.provider.apply(text)


async def test_sf_07_under_serve_a_registered_loopback_address_is_not_called(production: World) -> None:
    canary = await Canary.start()
    async with canary.server:
        text = MANIFEST.replace(
            'client_id = "web"\n', f'client_id = "web"\nbackchannel_logout_uri = "http://127.0.0.1:{canary.port}/"\n'
        )
        await production.provider.apply(text)
        browser = production.browser()
        await browser.sign_on()
        await browser.submit(await browser.http.get("/logout"), "/logout")
        for _ in range(100):
            rows = (await production.provider.control("logout.deliveries"))["deliveries"]
            if rows and rows[0]["attempts"]:
                break
            await asyncio.sleep(0.01)
        assert rows[0]["last_answer"] == "http is not https"
        assert canary.visits == 0


@asynccontextmanager
async def answering(speak: Callable[[asyncio.StreamWriter], object]) -> AsyncIterator[str]:
    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await speak(writer)  # type: ignore[misc]
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"4000\r\n" + b"a" * 16_384 + b"\r\n")
        await writer.drain()


async def hundred_megabytes(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1_600):
        writer.write(b"a" * 65_536)
        await writer.drain()


async def lying_length(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")


async def endless_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"a" * 65_536)
        await writer.drain()


async def bomb(writer: asyncio.StreamWriter) -> None:
    packed = gzip.compress(b"0" * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    writer.write(head + packed)
    await writer.drain()


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff nothing of HTTP\r\n\r\n")


async def closes(writer: asyncio.StreamWriter) -> None:
    return


async def redirects(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("peer", [endless, hundred_megabytes, lying_length, endless_head, bomb, nonsense, closes])
async def test_sf_10_too_much_or_not_an_answer(peer: Callable[[asyncio.StreamWriter], object]) -> None:
    outbound = Outbound(loopback=True)
    started = time.perf_counter()
    async with answering(peer) as url:
        if peer is bomb:  # the bytes as they came: what is packed is not unpacked
            assert len((await outbound.post_form(url, {"a": "b"})).body) <= MAX_BODY
        else:
            with pytest.raises(OutboundError) as refused:
                await outbound.post_form(url, {"a": "b"})
            assert "nothing of HTTP" not in str(refused.value), "the peer's words are not repeated"
    assert time.perf_counter() - started < 2
    await outbound.aclose()


async def test_sf_02_redirects_are_answers_not_orders() -> None:
    outbound = Outbound(loopback=True)
    async with answering(redirects) as url:
        assert (await outbound.post_form(url, {})).status == 302
    await outbound.aclose()


@pytest.mark.parametrize("drop", [b"a", b""], ids=["drops", "silent"])
async def test_sf_10_slow_answers(monkeypatch: pytest.MonkeyPatch, drop: bytes) -> None:
    """A byte now and then does not stretch the limit; the limit is 5 s, here shortened."""
    assert module.SECONDS == 5.0
    monkeypatch.setattr(module, "SECONDS", 0.5)

    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" if drop else b"")
        for _ in range(100):
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    client = Outbound(loopback=True)
    started = time.perf_counter()
    async with answering(slowly) as url:
        with pytest.raises(OutboundError):
            await client.post_form(url, {})
        assert time.perf_counter() - started < 1.5
    await client.aclose()

"""LO: leaving is the person's wish, ends what it should everywhere, and leads to no stranger's address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_refused, assert_sent, field_of
from attack_world import MANIFEST, parts_of

pytestmark = pytest.mark.anyio
BYE = "https://rp.test/bye"


async def signed_in(browser: Browser) -> bool:
    return "code" in answer_of(await browser.ask(prompt="none"))


async def test_lo_01_logout_from_another_site(world: World, browser: Browser) -> None:
    await browser.sign_on()
    cross = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    async with world.unchanged():
        for response in (
            await browser.http.get("/logout", headers=cross),
            await browser.http.get(
                "/logout", params={"client_id": "web", "post_logout_redirect_uri": BYE}, headers=cross
            ),
            await browser.follow(await browser.http.post("/logout", data={"client_id": "web"}, headers=cross)),
        ):
            assert response.status_code == 200
            assert 'id="logout"' in response.text
        page = await browser.http.get("/logout")
        forged = await browser.http.post("/logout", data={"t": field_of(page)}, headers=cross)
        assert_page(forged)
        for t in ("x", "", field_of(page)[:-1]):
            refused = await browser.follow(await browser.http.post("/logout", data={"t": t}))
            assert refused.status_code in (200, 400)
    assert await signed_in(browser)


async def test_lo_01_a_hint_of_another_session_or_person_asks(world: World, browser: Browser) -> None:
    await browser.sign_on()
    other = world.browser()
    theirs = (await world.redeem(await other.code(person="mallory"))).json()["id_token"]
    elsewhere = world.browser()
    mine = (await world.redeem(await elsewhere.code())).json()["id_token"]
    async with world.unchanged():
        for hint in (theirs, mine):
            page = await browser.http.get("/logout", params={"id_token_hint": hint})
            assert 'id="logout"' in page.text
    assert await signed_in(browser)


UNREGISTERED = [
    "https://evil.example/",
    "https://rp.test/bye?x=1",
    "https://rp.test/bye/",
    "https://rp.test/by",
    "https://rp.test/bye#x",
    "https://rp.test/bye\n",
    "https://rp.test.evil.example/bye",
    "https://rp.test@evil.example/bye",
    "javascript:alert(1)",
    "//evil.example",
    "/logged-out",
    "https://rp.test/cb",
]


@pytest.mark.parametrize("uri", UNREGISTERED)
async def test_lo_02_open_redirect(world: World, browser: Browser, uri: str) -> None:
    hint = (await world.redeem(await browser.code())).json()["id_token"]
    async with world.unchanged():
        for extra in ({}, {"client_id": "web"}, {"id_token_hint": hint}, {"client_id": "unknown"}):
            response = await browser.http.get(
                "/logout", params={"post_logout_redirect_uri": uri, "state": "s", **extra}
            )
            assert response.status_code in (200, 400)
            assert "location" not in response.headers
            posted = await browser.http.post("/logout", data={"post_logout_redirect_uri": uri, **extra})
            landed = await browser.follow(posted)
            assert landed.status_code in (200, 400)
            assert "location" not in landed.headers
    stranger = await world.browser().http.get("/logout", params={"post_logout_redirect_uri": uri, "client_id": "web"})
    assert stranger.headers.get("location", "/logged-out").startswith("/logged-out")


async def test_lo_02_registered_for_another_client(world: World, browser: Browser) -> None:
    hint = (await world.redeem(await browser.code("web2"), "web2")).json()["id_token"]
    async with world.unchanged():
        for extra in ({"client_id": "web2"}, {"id_token_hint": hint}, {"id_token_hint": hint, "client_id": "web"}, {}):
            response = await browser.http.get("/logout", params={"post_logout_redirect_uri": BYE, **extra})
            assert "location" not in response.headers


async def test_lo_04_markup_on_logout_pages(world: World, browser: Browser) -> None:
    await browser.sign_on()
    markup = '"><svg/onload=1><script>alert(1)</script>'
    for parameters in (
        {"state": markup},
        {"post_logout_redirect_uri": markup},
        {"client_id": markup},
        {"ui_locales": markup},
        {"logout_hint": markup},
        {"id_token_hint": markup},
        {"t": markup},
    ):
        for path in ("/logout", "/logged-out"):
            page = await browser.http.get(path, params=parameters)
            assert "<svg" not in page.text.replace("<svg class=", "")
            assert "<script" not in page.text


@asynccontextmanager
async def relying_party(answer: bytes | None) -> AsyncIterator[tuple[str, list[dict[str, list[str]]]]]:
    """A back-channel address that answers these bytes, or (None) never."""
    heard: list[dict[str, list[str]]] = []
    done = asyncio.Event()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        heard.append(parse_qs((await reader.readexactly(length)).decode()))
        if answer is None:
            await done.wait()
        writer.write(answer or b"")
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/logout", heard
    finally:
        done.set()
        server.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
        b"",
        b"nonsense\r\n\r\n",
        None,
    ],
    ids=["500", "redirect", "closes", "nonsense", "hangs"],
)
async def test_lo_06_back_channel_trouble_is_not_the_persons(
    fresh: World, browser: Browser, answer: bytes | None
) -> None:
    async with relying_party(answer) as (address, heard):
        await fresh.provider.apply(
            MANIFEST.replace('client_id = "web"\n', f'client_id = "web"\nbackchannel_logout_uri = "{address}"\n')
        )
        issued = (await fresh.redeem(await browser.code())).json()
        started = time.perf_counter()
        left = await browser.http.get("/logout", params={"id_token_hint": issued["id_token"]})
        assert left.status_code == 303
        assert time.perf_counter() - started < 1
        assert_sent(await browser.ask(prompt="none"), "login_required")
        for _ in range(100):
            if heard:
                break
            await asyncio.sleep(0.01)
        header, claims = parts_of(heard[0]["logout_token"][0])
        assert header["typ"] == "logout+jwt"
        assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
        assert claims["sid"] == parts_of(issued["id_token"])[1]["sid"]
        assert claims["aud"] == "web"
        assert claims["jti"]
        assert "nonce" not in claims
        if answer is None:
            return
        for _ in range(100):
            rows = (await fresh.provider.control("logout.deliveries"))["deliveries"]
            if rows[0]["attempts"]:
                break
            await asyncio.sleep(0.01)
        assert rows[0]["delivered_at"] is None
        assert rows[0]["due_at"] > fresh.now, "tried again later, not at once"
        # Every try fails, and at some point the last one has failed.
        for _ in range(15):
            await fresh.provider.advance(30_000)
            await asyncio.sleep(0)
        rows = (await fresh.provider.control("logout.deliveries"))["deliveries"]
        assert rows[0]["given_up_at"] is not None
        assert rows[0]["attempts"] <= 12
        events = [line["event"] for line in (await fresh.provider.control("audit.tail", limit=50))["events"]]
        assert "logout.failed" in events
        jtis = {parts_of(form["logout_token"][0])[1]["jti"] for form in heard}
        assert len(jtis) == 1, "one logout, one jti, however often it is tried"


async def test_lo_07_a_logout_token_is_nothing_else(world: World, browser: Browser) -> None:
    await browser.sign_on()
    now = int(world.now)
    claims = {
        "iss": world.provider.issuer,
        "aud": "web",
        "sub": "alice",
        "iat": now,
        "exp": now + 60,
        "jti": "x",
        "events": {},
    }
    token = await world.server.keyring.sign("RS256", "logout+jwt", claims)
    async with world.unchanged():
        assert_sent(await browser.ask(prompt="none", id_token_hint=token), "login_required")
        assert_page(await browser.http.get("/logout", params={"id_token_hint": token}))
        assert not await world.active(token)


async def test_lo_08_what_survives(world: World, browser: Browser) -> None:
    """Pending codes and session-bound refresh tokens die, offline ones live, and nobody is signed in any more."""
    bound = (await world.redeem(await browser.code("session", scope="openid"), "session")).json()
    offline = await browser.tokens("web2")
    pending = await browser.code()
    page = await browser.http.get("/logout")
    await browser.submit(page, "/logout")
    assert_refused(await world.redeem(pending), 400, "invalid_grant")
    assert_refused(await world.refresh(bound["refresh_token"], "session"), 400, "invalid_grant")
    assert not await world.active(bound["access_token"], "session")
    assert not await world.active(bound["refresh_token"], "session")
    assert_refused(await world.userinfo(bound["access_token"]), 401, "invalid_token")
    assert_sent(await browser.ask(prompt="none"), "login_required")
    assert (await world.refresh(offline["refresh_token"], "web2")).status_code == 200

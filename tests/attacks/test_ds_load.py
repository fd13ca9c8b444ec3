"""DS, many requests: overload of one kind leaves the others alone, and strangers fill no table."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
import time

import pytest
from attack_support import Browser, World, assert_page, assert_refused, field_of, least
from attack_world import asking, assertion, forge, with_assertion

pytestmark = pytest.mark.anyio
MB = 1_000_000


async def test_ds_10_password_hashes_do_not_starve_the_rest() -> None:
    """A full pool answers 503 with Retry-After at once; refresh and the key set go on."""
    async with World(passwords__workers=2, passwords__queue=4) as world:
        browser = world.browser()
        tokens = await browser.tokens("web2")
        refresh = tokens["refresh_token"]
        guest = world.browser()
        page = await guest.follow(await guest.ask())
        form = {"t": field_of(page), "username": "alice", "password": "wrong"}
        exchange = {"username": "alice", "password": "wrong"}
        statuses: list[int] = []
        stop = time.perf_counter() + 1.5

        async def logins(number: int) -> None:
            while time.perf_counter() < stop:
                if number % 2:
                    response = await guest.http.post("/login", data=form)
                else:
                    response = await world.api.http.post("/api/token/", json=exchange)
                statuses.append(response.status_code)
                if response.status_code == 503:
                    assert int(response.headers["retry-after"]) >= 1
                    await asyncio.sleep(0.2)  # what a polite client would do, only sooner

        async def canary() -> list[float]:
            nonlocal refresh
            taken = []
            while time.perf_counter() < stop:
                started = time.perf_counter()
                answer = await world.refresh(refresh, "web2")
                assert answer.status_code == 200
                refresh = answer.json()["refresh_token"]
                assert (await browser.http.get("/.well-known/jwks.json")).status_code == 200
                taken.append(time.perf_counter() - started)
                await asyncio.sleep(0.01)
            return taken

        results = await asyncio.gather(canary(), *(logins(number) for number in range(40)))
        taken = sorted(results[0])
        assert set(statuses) == {401, 503}
        assert len(taken) > 5
        assert taken[len(taken) // 2] < 0.15
        assert taken[-1] < 0.5
        assert (await world.browser().sign_on())["code"], "the pool is free again"


@pytest.mark.parametrize(
    "password",
    [
        "p" * 1025,
        "a\u0300" * 2_000,
        "p" * 60_000,
        "alice" + " " * 1020,
        "alice\u0000",
        "\u0000alice",
        "\ud83d\ude00" * 300,
    ],
)
async def test_ds_11_long_and_odd_passwords(world: World, browser: Browser, password: str) -> None:
    password = password.encode("utf-16", "surrogatepass").decode("utf-16")
    page = await browser.follow(await browser.ask())

    async def send() -> None:
        response = await browser.log_in(page, "alice", password)
        assert response.status_code in (400, 401)
        response = await browser.http.post("/api/token/", json={"username": "alice", "password": password})
        assert response.status_code in (400, 401)

    assert await least(send, 2) < 0.5


async def test_ds_11_longer_than_any_password_is_nobodys(fresh: World, browser: Browser) -> None:
    """Even where such a password was imported as a hash: past 1,024 bytes nothing is compared with it."""
    password = "p" * 1_025
    hashed = await fresh.server.passwords.hash(password)
    await fresh.provider.apply(f'[[people]]\nusername = "long"\npassword_hash = "{hashed}"')
    page = await browser.follow(await browser.ask())
    assert (await browser.submit(page, "/login", username="long", password=password)).status_code == 401


async def test_ds_11_a_body_of_passwords(world: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask())
    assert (await browser.log_in(page, "alice", "p" * MB)).status_code == 413


async def test_ds_13_strangers_store_nothing(fresh: World) -> None:
    lines = fresh.server.database.read_now(lambda c: c.exec_driver_sql("SELECT count(*) FROM audit").scalar())
    async with fresh.unchanged():
        for _ in range(100):
            stranger = fresh.browser()
            response = await stranger.ask()
            assert response.status_code == 303
            assert (await stranger.http.get(response.headers["location"])).status_code == 200
            await stranger.ask(prompt="none")
            await stranger.http.post("/authorize", data=asking())
            await stranger.ask(redirect_uri="https://evil.example/")
            await fresh.post("/token", {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "nobody"})
    await fresh.provider.application.jobs.run_all()
    after = fresh.server.database.read_now(lambda c: c.exec_driver_sql("SELECT count(*) FROM audit").scalar())
    # Refusals of known clients may leave a line each, those of strangers are added up.
    assert after - lines <= 100 + 10


async def test_ds_16_floods_of_unknown_tokens(world: World) -> None:
    tokens = [forge({"alg": "ES256", "kid": "x"}, {"n": number}, lambda _: b"s" * 64) for number in range(150)]
    tokens += [f"rt.{number:022}.{'A' * 43}" for number in range(150)]

    async def flood() -> None:
        for token in tokens:
            assert not await world.active(token)
            assert (await world.post("/revoke", {"token": token}, "web")).status_code == 200

    async with world.unchanged():
        assert await least(flood, 1) < 3.0


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, gzip", "deflate", "zstd", "x"])
async def test_ds_17_compressed_requests(world: World, encoding: str) -> None:
    bomb = gzip.compress(b"a=" + b"0" * 10 * MB)
    headers = {"Content-Encoding": encoding, "Content-Type": "application/x-www-form-urlencoded"}

    async def send() -> None:
        for path in ("/token", "/introspect", "/revoke", "/login", "/authorize", "/logout", "/consent", "/userinfo"):
            response = await world.api.http.post(path, content=bomb, headers=headers)
            assert response.status_code in (400, 415), path
        json = {**headers, "Content-Type": "application/json"}
        assert (await world.api.http.post("/api/token/", content=bomb, headers=json)).status_code in (400, 415)

    async with world.unchanged():
        assert await least(send) < 0.3


async def test_ds_18_range_and_conditional_tricks(world: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask())
    sheet = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    whole = await browser.http.get(sheet)
    assert whole.status_code == 200

    async def send() -> None:
        for headers in (
            {"Range": "bytes=" + ",".join(f"{n}-{n + 1}" for n in range(10_000))},
            {"Range": "bytes=9-1"},
            {"Range": "bytes=-99999999999999999999"},
            {"Range": "lines=1-2", "If-Range": "x"},
        ):
            response = await browser.http.get(sheet, headers=headers)
            assert response.status_code in (200, 416)
            assert response.status_code == 416 or response.content == whole.content
        many = ",".join(f'"{number}"' for number in range(20_000))
        for path in (sheet, "/.well-known/jwks.json"):
            assert (await browser.http.get(path, headers={"If-None-Match": many})).status_code == 200
            assert (await browser.http.get(path, headers={"If-Modified-Since": "x" * 10_000})).status_code == 200

    assert await least(send) < 8 * 0.02 + 0.1
    for name in ("../app.py", "..%2f..%2fapp.py", "idp.css%00", "%2e%2e/idp.css", "idp.css", ""):
        assert (await browser.http.get(f"/static/{name}")).status_code == 404


async def test_ds_19_public_documents_need_no_database(fresh: World, browser: Browser) -> None:
    """With another process holding the database, the documents come and the rest says 503."""
    documents = (
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    )
    code = await browser.code()

    async def hammer() -> None:
        for _ in range(300):
            for path in documents:
                assert (await browser.http.get(path)).status_code == 200

    other = sqlite3.connect(fresh.provider.data_dir / "idp.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert await least(hammer, 1) < 900 * 0.005
        response = await fresh.redeem(code)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert (await fresh.redeem(code)).status_code == 200, "the refused redemption changed nothing"


async def test_ds_16_assertions_with_unknown_keys(world: World) -> None:
    """No key is fetched from anywhere, so there is nothing to storm: each costs one refusal."""

    async def storm() -> None:
        for number in range(100):
            text = assertion("pkj", world.now, headers={"kid": f"unknown-{number}"})
            assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")

    async with world.unchanged():
        assert await least(storm, 1) < 2.0


async def test_ds_13_a_page_value_is_bounded(world: World, browser: Browser) -> None:
    """What travels sealed in a URL stays a URL: larger requests are refused before anything is sealed."""
    for size in (4_000, 20_000):
        response = await browser.http.post("/authorize", data=asking(state="s" * size, nonce="n" * 4_000))
        location = response.headers.get("location", "")
        assert response.status_code in (303, 400)
        if "error=" not in location:
            page = await browser.follow(response)
            assert page.status_code == 200
    assert_page(await browser.http.get("/login", params={"t": "A" * 60_000}))

"""DS: no request costs much more than it should, and overload of one kind leaves the others alone."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attack_support import Browser, World, assert_page, assert_refused, assert_sent, field_of
from attack_world import asking, assertion, b64, forge, with_assertion

pytestmark = pytest.mark.anyio
MB = 1_000_000


async def least(work: Callable[[], Awaitable[Any]], times: int = 3) -> float:
    """The best of a few tries: what the work itself costs on a machine that does other things too."""
    best = 60.0
    for _ in range(times):
        started = time.perf_counter()
        await work()
        best = min(best, time.perf_counter() - started)
    return best


@pytest.mark.parametrize(
    "path",
    ["/token", "/introspect", "/revoke", "/login", "/consent", "/logout", "/authorize", "/userinfo", "/api/token/"],
)
async def test_ds_01_huge_bodies(world: World, path: str) -> None:
    """In process: announced, and in pieces that never say how many. Over a socket: test_ds_sockets."""

    async def pieces() -> Any:
        for _ in range(100):
            yield b"a" * 65_536

    async with world.unchanged():
        for body in (b"a=" + b"a" * MB, pieces()):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = await world.api.http.post(path, content=body, headers=headers)
            assert response.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"a&" * 30_000,
        b"a=1&" * 16_000,
        b"&" * 65_000,
        b"=" * 65_000,
        b"%" * 65_000,
        b"a" * 65_000,
        b"a=" + b"%61" * 21_000,
    ],
)
async def test_ds_02_many_or_long_fields(world: World, body: bytes) -> None:
    async def send() -> None:
        response = await world.post("/token", body.decode(), "web")
        assert_refused(response, 400, "invalid_request")

    async with world.unchanged():
        assert await least(send) < 0.2


ODD_JSON = {
    "levels": "[" * 30_000,
    "closed levels": "[" * 30_000 + "]" * 30_000,
    "objects": '{"a":' * 10_000,
    "integer": '{"username": ' + "9" * 5_000 + "}",
    "float": '{"username": 1e99999, "password": "x"}',
    "NaN": '{"username": NaN, "password": Infinity}',
    "long key": '{"' + "k" * 60_000 + '": 1}',
    "surrogate": '{"username": "\\ud800", "password": "\\udfff"}',
    "NUL": '{"username": "alice\\u0000", "password": "alice"}',
    "twice": '{"username": "alice", "username": "bob", "password": "bob"}',
    "list": '["alice", "alice"]',
    "types": '{"username": {"a": 1}, "password": ["alice"]}',
    "null": "null",
    "empty": "",
    "UTF-16": '{"username": "alice"}'.encode("utf-16").decode("latin-1"),
    "BOM": "\ufeff{}",
}


@pytest.mark.parametrize("name", ODD_JSON)
async def test_ds_04_deep_or_odd_json(world: World, name: str) -> None:
    body = (
        ODD_JSON[name].encode("latin-1", "replace")
        if name == "UTF-16"
        else ODD_JSON[name].encode("utf-8", "surrogatepass")
    )

    async def send() -> None:
        for path in ("/api/token/", "/api/token/refresh/", "/api/token/verify/"):
            response = await world.api.http.post(path, content=body, headers={"Content-Type": "application/json"})
            assert response.status_code in (400, 401)

    assert await least(send) < 0.5


@pytest.mark.parametrize("name", ["levels", "objects", "integer", "NaN", "surrogate"])
async def test_ds_04_odd_json_inside_tokens(world: World, browser: Browser, name: str) -> None:
    text = ODD_JSON[name][:10_000]
    for token in (forge(text, {}), forge({"alg": "ES256", "kid": "es"}, text)):
        async with world.unchanged():
            assert not await world.active(token)
            assert_refused(await world.userinfo(token), 401, "invalid_token")
            assert_refused(await world.post("/token", with_assertion(token)), 401, "invalid_client")
            assert_sent(await browser.ask(prompt="none", id_token_hint=token[:4000]), "login_required")


async def test_ds_05_giant_tokens(world: World, browser: Browser) -> None:
    giant = forge({"alg": "RS256", "kid": "x"}, {"a": "b" * 7 * MB}, lambda _: b"s" * 256)
    large = forge({"alg": "ES256", "kid": "es"}, {"sub": "pkj", "a": "b" * 40_000}, lambda _: b"s" * 64)
    head = forge({"alg": "ES256", "kid": "es", "a": "b" * 20_000}, {"sub": "pkj"}, lambda _: b"s" * 64)

    async def send() -> None:
        assert_refused(await world.userinfo(giant), 401, "invalid_token")
        assert (await world.post("/introspect", {"token": giant}, "web")).status_code == 413
        for token in (large, head):
            assert not await world.active(token)
            assert_refused(await world.userinfo(token), 401, "invalid_token")
            assert_refused(await world.post("/token", with_assertion(token)), 401, "invalid_client")
            assert_sent(await browser.http.post("/authorize", data=asking(id_token_hint=token)), "invalid_request")
        cookies = {"Cookie": f"idp={giant}; idp-browser={large}"}
        assert_sent(
            await browser.http.get("/authorize", params=asking(prompt="none"), headers=cookies), "login_required"
        )

    async with world.unchanged():
        assert await least(send, 2) < 1.0


JWE_HEADS: list[dict[str, Any]] = [
    {"alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2c": 2**31, "p2s": b64("salt")},
    {"alg": "dir", "enc": "A128GCM", "zip": "DEF"},
    {"alg": "RSA-OAEP", "enc": "A256GCM"},
    {"alg": "ECDH-ES", "enc": "A256GCM", "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
]


@pytest.mark.parametrize("header", JWE_HEADS, ids=lambda header: header["alg"])
async def test_ds_06_encrypted_where_a_signed_one_is_expected(
    world: World, browser: Browser, header: dict[str, Any]
) -> None:
    token = ".".join(
        [forge(header, "x" * 3000).split(".")[0], b64("k" * 40), b64("i" * 12), b64("c" * 2000), b64("t" * 16)]
    )

    async def send() -> None:
        assert_refused(await world.userinfo(token), 401, "invalid_token")
        assert not await world.active(token)
        assert_refused(await world.post("/token", with_assertion(token)), 401, "invalid_client")
        assert_sent(await browser.ask(prompt="none", id_token_hint=token), "login_required")

    async with world.unchanged():
        assert await least(send) < 0.2


HOSTILE = {
    "languages": "a-" * 25_000,
    "weights": "a;q=0." + "0" * 50_000,
    "list": ",".join(["de;q=1"] * 7_000),
    "at signs": "@" * 50_000,
    "spaces": " " * 50_000 + "x",
    "percents": "%" * 50_000,
    "slashes": "http://" + "/" * 50_000,
    "brackets": "http://[" + ":" * 50_000 + "]",
    "dots": "https://" + "a." * 25_000,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_ds_09_hostile_strings(world: World, browser: Browser, name: str) -> None:
    text = HOSTILE[name]
    page = await browser.follow(await browser.ask())
    form = {"t": field_of(page), "username": text[:20_000], "password": "x"}

    async def headers() -> None:
        for header in ("Accept-Language", "User-Agent", "Accept", "Cookie", "If-None-Match", "Referer", "Origin"):
            response = await browser.http.get("/logged-out", headers={header: text})
            assert response.status_code == 200
            await browser.http.get("/.well-known/jwks.json", headers={header: text})

    async def parameters() -> None:
        for parameter in ("redirect_uri", "scope", "ui_locales", "resource", "prompt", "acr_values"):
            response = await browser.http.post("/authorize", data=asking(**{parameter: text[:20_000]}))
            assert response.status_code in (303, 400)

    assert await least(headers) < 14 * 0.05
    assert await least(parameters) < 6 * 0.05
    assert (await browser.http.post("/login", data=form)).status_code in (400, 401)


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

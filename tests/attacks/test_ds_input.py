"""DS, one request at a time: none costs much more than it should, whatever its size and shape."""

from __future__ import annotations

from typing import Any

import pytest
from attack_support import Browser, World, assert_refused, assert_sent, field_of, least
from attack_world import asking, b64, forge, with_assertion

pytestmark = pytest.mark.anyio
MB = 1_000_000


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

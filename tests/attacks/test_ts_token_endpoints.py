"""TS: introspection, revocation and UserInfo tell only whom it concerns, and what is true now."""

from __future__ import annotations

import base64
import hashlib

import pytest
from attack_support import Browser, World, assert_refused
from attack_world import API, MANIFEST, SECRETS, parts_of

from idp.store.accounts import set_disabled

pytestmark = pytest.mark.anyio


async def test_ts_01_introspection_by_a_stranger(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    for_api = (await browser.tokens(scope="openid orders", resource=API))["access_token"]
    async with world.unchanged():
        for client in ("web2", "svc", "rs", "post"):
            if client == "post":
                form = {"token": issued["access_token"], "client_id": "post", "client_secret": SECRETS["post"]}
                answer = await world.post("/introspect", form)
                assert answer.json() == {"active": False}
                continue
            assert not await world.active(issued["access_token"], client)
            assert not await world.active(issued["refresh_token"], client)
        form = {"token": issued["access_token"], "client_id": "spa"}
        assert_refused(await world.post("/introspect", form), 401, "invalid_client")
        assert_refused(await world.post("/introspect", {"token": for_api}), 401, "invalid_client")
        bearer = {"Authorization": f"Bearer {issued['access_token']}"}
        assert_refused(
            await world.post("/introspect", {"token": issued["access_token"]}, **bearer), 401, "invalid_client"
        )
    answer = await world.post("/introspect", {"token": for_api}, "web2", Accept="application/token-introspection+jwt")
    assert parts_of(answer.text)[1]["token_introspection"] == {"active": False}, "asked for as a JWT (RFC 9701)"
    assert await world.active(for_api, "rs")


async def test_ts_02_revoking_another_clients_tokens(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    async with world.unchanged():
        for name in ("access_token", "refresh_token"):
            for hint in ({}, {"token_type_hint": name}, {"token_type_hint": "bogus"}):
                answer = await world.post("/revoke", {"token": issued[name], **hint}, "web2")
                assert answer.status_code == 200
                assert answer.content == b""
            answer = await world.post("/revoke", {"token": issued[name], "client_id": "spa"})
            assert answer.status_code == 200
            assert_refused(await world.post("/revoke", {"token": issued[name]}), 401, "invalid_client")
    assert await world.active(issued["access_token"])
    assert await world.active(issued["refresh_token"])


async def test_ts_03_revoking_the_refresh_token_ends_all(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    assert (await world.post("/revoke", {"token": issued["refresh_token"]}, "web")).status_code == 200
    assert not await world.active(issued["access_token"])
    assert_refused(await world.userinfo(issued["access_token"]), 401, "invalid_token")
    assert_refused(await world.refresh(issued["refresh_token"]), 400, "invalid_grant")


async def test_ts_03_revoking_the_access_token_ends_it_alone(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    assert (await world.post("/revoke", {"token": issued["access_token"]}, "web")).status_code == 200
    assert not await world.active(issued["access_token"])
    assert_refused(await world.userinfo(issued["access_token"]), 401, "invalid_token")
    renewed = await world.refresh(issued["refresh_token"])
    assert renewed.status_code == 200
    assert await world.active(renewed.json()["access_token"])


async def test_ts_06_token_in_the_url_or_twice(world: World, browser: Browser) -> None:
    token = (await browser.tokens())["access_token"]
    ask = browser.http
    async with world.unchanged():
        assert (await ask.get("/userinfo", params={"access_token": token})).status_code == 401
        assert (await ask.post("/userinfo", params={"access_token": token})).status_code in (400, 401)
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await ask.post("/userinfo", data={"access_token": token}, headers=bearer)).status_code == 400
        twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
        assert (await ask.get("/userinfo", headers=twice)).status_code in (400, 401)
        doubled = {"content": f"access_token={token}&access_token={token}"}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await ask.post("/userinfo", headers=kind, **doubled)).status_code == 400
        assert (await ask.get("/introspect", params={"token": token})).status_code == 405
        assert (await ask.post("/introspect", params={"token": token}, auth=("web", SECRETS["web"]))).status_code in (
            400,
            415,
        )
    assert (await ask.post("/userinfo", data={"access_token": token})).status_code == 200


async def test_ts_07_authorization_header(world: World, browser: Browser) -> None:
    token = (await browser.tokens())["access_token"]
    for good in ("Bearer", "bearer", "BEARER", "bEaReR"):
        assert (await browser.http.get("/userinfo", headers={"Authorization": f"{good} {token}"})).status_code == 200
    for bad in (
        "bearer x",
        f"BearerX {token}",
        f"Bearer  {token}",
        f"Bearer {token} b",
        f"Bearer\t{token}",
        f"Bearer {token},{token}",
        f"Bearer {token}, Basic x",
        f'Bearer "{token}"',
        f"Bearer={token}",
        f"Basic {token}",
        f"DPoP {token}",
        token,
        "Bearer",
        "Bearer ",
        "",
        f"Bearer {token}\u00e9",
    ):
        headers = [("Authorization", bad.encode("latin-1"))]
        answer = await browser.http.get("/userinfo", headers=headers)
        assert_refused(answer, 401, "invalid_token")
        # Told in the scheme that was used, where there is such a one (RFC 9449 7.1).
        assert answer.headers["www-authenticate"].startswith("DPoP " if bad.startswith("DPoP ") else "Bearer ")


async def test_ts_08_ended_users_and_clients(fresh: World, browser: Browser) -> None:
    issued = await browser.tokens()
    await fresh.server.database.write(set_disabled, fresh.server.journal, "alice", fresh.now, disabled=True)
    assert_refused(await fresh.userinfo(issued["access_token"]), 401, "invalid_token")
    assert not await fresh.active(issued["access_token"])
    assert not await fresh.active(issued["refresh_token"])
    await fresh.server.database.write(set_disabled, fresh.server.journal, "alice", fresh.now, disabled=False)
    service = (await fresh.post("/token", {"grant_type": "client_credentials", "resource": API}, "svc")).json()
    assert await fresh.active(service["access_token"], "rs")
    text = MANIFEST
    for client in ("web", "svc"):
        text = text.replace(f'client_id = "{client}"\n', f'client_id = "{client}"\ndisabled = true\n')
    await fresh.provider.apply(text)
    assert_refused(await fresh.userinfo(issued["access_token"]), 401, "invalid_token")
    assert not await fresh.active(service["access_token"], "rs")
    assert_refused(await fresh.post("/introspect", {"token": issued["access_token"]}, "web"), 401, "invalid_client")


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_ts_10_id_token_content(fresh: World, browser: Browser, alg: str) -> None:
    before, entry, after = MANIFEST.partition('client_id = "web"\n')
    await fresh.provider.apply(f'{before}{entry}id_token_signed_response_alg = "{alg}"\n{after}')
    signed_in_at = int(fresh.now)
    code = await browser.code(scope="openid offline_access", max_age="1000")
    fresh.provider.clock.advance(30)
    issued = (await fresh.redeem(code)).json()
    header, claims = parts_of(issued["id_token"])
    assert header["alg"] == alg
    half = hashlib.sha256(issued["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert claims["nonce"] == "nonce-1"
    assert claims["aud"] == "web"
    assert claims["auth_time"] == signed_in_at
    assert claims["iat"] == signed_in_at + 30
    assert claims["exp"] > claims["iat"]
    assert claims["amr"] == ["pwd"]
    assert "c_hash" not in claims
    renewed = (await fresh.refresh(issued["refresh_token"])).json()
    later = parts_of(renewed["id_token"])[1]
    assert (later["auth_time"], later["sub"], later["aud"], later["iss"]) == (
        signed_in_at,
        "alice",
        "web",
        claims["iss"],
    )
    assert later.get("nonce") in (None, "nonce-1")
    without = await fresh.browser().sign_on(nonce=None)
    assert "nonce" not in parts_of((await fresh.redeem(without["code"])).json()["id_token"])[1]

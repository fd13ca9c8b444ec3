"""MX, PK, CO and CN again where tokens come from the authorization endpoint: to whom that is allowed, no further."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from attack_support import Browser, World, answer_of, assert_refused, assert_sent
from attack_world import CALLBACK, ISSUER, REDIRECTS, SECRETS, WIDE, parts_of

pytestmark = pytest.mark.anyio
FRONT = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"]
SIGNED = ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"]
ERROR = {"error", "error_description", "state", "iss"}
HYBRID = f"""
[[clients]]
client_id = "hybrid"
client_secret = "{SECRETS["hybrid"]}"
redirect_uris = ["{CALLBACK}"]
grant_types = ["authorization_code", "implicit", "refresh_token"]
response_types = ["code", {", ".join(f'"{kind}"' for kind in FRONT)}]
scope = "openid profile offline_access orders"
"""


@pytest.fixture(scope="module")
async def world(anyio_backend: str) -> AsyncIterator[World]:
    """Everything is on here; only ``hybrid`` may use it."""
    async with World(implicit_and_hybrid=True, **WIDE) as started:
        await started.provider.apply(HYBRID)
        yield started


@pytest.mark.parametrize("mode", SIGNED)
async def test_mx_01_iss_in_signed_answers(world: World, browser: Browser, mode: str) -> None:
    """RFC 9207 2.4: inside the signed answer it is enough; aud says for whom."""
    await browser.sign_on()
    for changes in ({}, {"prompt": "none login"}):
        response = await browser.ask(response_mode=mode, **changes)
        if response.status_code == 200:
            members = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)"', response.text))
        else:
            members = answer_of(response)
        assert list(members) == ["response"]
        claims = parts_of(members["response"])[1]
        assert (claims["iss"], claims["aud"], claims["state"]) == (ISSUER, "web", "state-1")
        assert 0 < claims["exp"] - world.now <= 600


@pytest.mark.parametrize("kind", FRONT)
async def test_mx_01_iss_beside_tokens(world: World, browser: Browser, kind: str) -> None:
    answer = await browser.sign_on("hybrid", response_type=kind)
    assert (answer["iss"], answer["state"]) == (ISSUER, "state-1")
    if "id_token" in answer:
        assert parts_of(answer["id_token"])[1]["iss"] == ISSUER


@pytest.mark.parametrize("mode", ["query", "query.jwt"])
@pytest.mark.parametrize("kind", [*FRONT, "token id_token", "token code"])
async def test_mx_04_no_token_in_a_query(world: World, browser: Browser, kind: str, mode: str) -> None:
    await browser.sign_on("hybrid")
    async with world.unchanged():
        response = await browser.ask("hybrid", response_type=kind, response_mode=mode)
        assert_sent(response, "invalid_request")
    location = response.headers["location"]
    assert location.startswith(f"{CALLBACK}#")
    assert set(answer_of(response)) == ERROR
    posted = await browser.http.post(
        "/authorize", data=dict(response.request.url.params.multi_items()), headers={"Origin": "https://rp.test"}
    )
    assert_sent(posted, "invalid_request")
    assert posted.headers["location"].startswith(f"{CALLBACK}#")


@pytest.mark.parametrize("mode", ["bogus", "web_message", "form_post.JWT", "fragment.query"])
@pytest.mark.parametrize("kind", FRONT)
async def test_mx_04_modes_not_offered_carry_no_token(world: World, browser: Browser, kind: str, mode: str) -> None:
    await browser.sign_on("hybrid")
    async with world.unchanged():
        response = await browser.ask("hybrid", response_type=kind, response_mode=mode)
    assert_sent(response, "invalid_request")
    assert set(answer_of(response)) == ERROR


@pytest.mark.parametrize("client", ["web", "spa"])
@pytest.mark.parametrize("kind", FRONT)
async def test_mx_05_a_client_for_codes_gets_codes(world: World, browser: Browser, kind: str, client: str) -> None:
    to = REDIRECTS.get(client, CALLBACK)
    await browser.sign_on(client)
    for mode in (None, "fragment", "jwt", "form_post"):
        async with world.unchanged():
            response = await browser.ask(client, response_type=kind, response_mode=mode)
        if mode in (None, "fragment"):
            assert_sent(response, "unauthorized_client", to=to)
        for word in ("access_token", "id_token", "code"):
            assert f"{word}=" not in response.headers.get("location", "")
            assert f'name="{word}"' not in response.text


async def test_mx_05_a_waiting_request_keeps_its_type(world: World, browser: Browser) -> None:
    """CVE-2026-7571: the type cannot be edited on the way, neither as a parameter nor in the form."""
    page = await browser.follow(await browser.ask(prompt="login"))
    t = str(page.url.params["t"])
    edited = await browser.http.get("/login", params={"t": t, "response_type": "id_token token", "client_id": "hybrid"})
    done = await browser.submit(
        edited, "/login", username="alice", password="alice", response_type="id_token token", response_mode="fragment"
    )
    where = f"{done.headers['location']}&response_type=id_token+token&response_mode=fragment"
    done = await browser.follow(await browser.http.get(where))
    if done.status_code == 200:
        done = await browser.submit(done, "/consent", decision="allow", response_type="id_token token")
    assert done.headers["location"].startswith(f"{CALLBACK}?")
    assert set(answer_of(done)) == {"code", "state", "iss"}


async def test_mx_05_withdrawn_while_it_waits(world: World, browser: Browser) -> None:
    """The registration is read again at every step: what the client lost meanwhile is not given."""
    page = await browser.follow(await browser.ask("hybrid", response_type="id_token token", prompt="login"))
    try:
        await world.provider.apply(re.sub("response_types = .*", 'response_types = ["code", "code id_token"]', HYBRID))
        done = await browser.follow(await browser.log_in(page, "alice"))
        assert_sent(done, "unauthorized_client")
        assert set(answer_of(done)) == ERROR
    finally:
        await world.provider.apply(HYBRID)


@pytest.mark.parametrize("kind", [kind for kind in FRONT if "code" in kind])
async def test_pk_01_and_04_hold_where_a_code_is_among_it(world: World, browser: Browser, kind: str) -> None:
    async with world.unchanged():
        response = await browser.ask("hybrid", response_type=kind, code_challenge_method="plain")
        assert_sent(response, "invalid_request")
        response = await browser.ask("hybrid", response_type=kind, code_challenge="x" * 42)
        assert_sent(response, "invalid_request")


@pytest.mark.parametrize("kind", [kind for kind in FRONT if "code" in kind])
@pytest.mark.parametrize("verifier", [None, "w" * 43])
async def test_pk_02_downgrade_of_a_hybrid_code(
    world: World, browser: Browser, kind: str, verifier: str | None
) -> None:
    code = await browser.code("hybrid", response_type=kind)
    async with world.unchanged():
        refused = await world.redeem(code, "hybrid", code_verifier=verifier)
        assert_refused(refused, 400, "invalid_grant", "invalid_request")


@pytest.mark.parametrize("kind", ["code token", "code id_token token"])
async def test_co_01_a_replay_ends_what_came_beside_the_code(world: World, browser: Browser, kind: str) -> None:
    answer = await browser.sign_on("hybrid", response_type=kind, scope="openid offline_access", prompt="consent")
    bought = (await world.redeem(answer["code"], "hybrid")).json()
    for token in (answer["access_token"], bought["access_token"], bought["refresh_token"]):
        assert await world.active(token, "hybrid")
    assert_refused(await world.redeem(answer["code"], "hybrid"), 400, "invalid_grant")
    for token in (answer["access_token"], bought["access_token"], bought["refresh_token"]):
        assert not await world.active(token, "hybrid")


async def test_cn_08_implicit_is_no_grant_of_the_token_endpoint(world: World) -> None:
    async with world.unchanged():
        refused = await world.post("/token", {"grant_type": "implicit", "scope": "openid"}, "hybrid")
        assert_refused(refused, 400, "unsupported_grant_type")


async def test_cn_04_scope_beyond_the_client_in_the_front(world: World, browser: Browser) -> None:
    await browser.sign_on("hybrid")
    for kind in FRONT:
        async with world.unchanged():
            assert_sent(await browser.ask("hybrid", response_type=kind, scope="openid admin"), "invalid_scope")


async def test_rt_no_refresh_token_ever_comes_from_the_front(world: World, browser: Browser) -> None:
    for kind in FRONT:
        answer = await browser.sign_on("hybrid", response_type=kind, scope="openid offline_access", prompt="consent")
        assert "refresh_token" not in answer
        if "code" not in kind.split():
            assert "offline_access" not in answer.get("scope", "")

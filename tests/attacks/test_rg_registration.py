"""RG: registering apps over HTTP gives nobody more than was allowed, and what is registered stays its owner's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from attack_support import Canary, World, assert_refused, field_of
from attack_world import CHALLENGE, ES_KEY, ROGUE_KEY, VERIFIER, public_jwk
from sqlalchemy import Connection

from idp.store.schema import clients, grants
from idp.store.schema_protocols import registrations

pytestmark = pytest.mark.anyio

CALLBACK = "https://rp.test/cb"
MARKUP = "\"><img src=x onerror=alert(1)><script>alert('é')</script>"
_OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


@pytest.fixture(scope="module")
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with World(registration__mode="open", registration__network=100_000) as started:
        yield started


async def register(world: World, **members: Any) -> httpx2.Response:
    return await world.api.http.post("/register", json={"redirect_uris": [CALLBACK], **members})


async def registered(world: World, **members: Any) -> dict[str, Any]:
    answer = await register(world, grant_types=["authorization_code", "refresh_token"], **members)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    world.issued |= {found[name] for name in ("client_secret", "registration_access_token") if name in found}
    return found


async def manage(
    world: World, method: str, found: Mapping[str, Any], body: Any = None, token: str | None = None
) -> httpx2.Response:
    headers = {"authorization": f"Bearer {token or found['registration_access_token']}"}
    return await world.api.http.request(method, found["registration_client_uri"], json=body, headers=headers)


def sendable(found: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**found, **changes}.items() if name not in _OURS and value is not None}


async def tokens_of(world: World, found: Mapping[str, Any], count: int = 1) -> list[dict[str, Any]]:
    """``count`` families of alice."""
    browser = world.browser()
    answered = []
    for _ in range(count):
        members = await browser.sign_on(
            "web",
            client_id=found["client_id"],
            redirect_uri=CALLBACK,
            scope="openid offline_access",
            code_challenge=CHALLENGE,
        )
        form = {
            "grant_type": "authorization_code",
            "code": members["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        answer = await world.api.http.post("/token", data=form, auth=(found["client_id"], found["client_secret"]))
        assert answer.status_code == 200, answer.text
        answered.append(answer.json())
    return answered


async def test_rg_02_a_token_opens_no_other_entry(world: World) -> None:
    mine, theirs = await registered(world), await registered(world, client_name="Theirs")
    async with world.unchanged():
        for method in ("GET", "PUT", "DELETE"):
            body = sendable(theirs, client_name="Mine now") if method == "PUT" else None
            answer = await manage(world, method, theirs, body, mine["registration_access_token"])
            assert_refused(answer, 401, "invalid_token")
            crossed = {**mine, "registration_client_uri": f"{mine['registration_client_uri']}&client_id=web"}
            assert (await manage(world, method, crossed, body)).status_code == 400, "client_id once"
    assert (await manage(world, "GET", theirs)).json()["client_name"] == "Theirs"


async def test_rg_03_mass_registration_is_limited_and_unused_apps_expire(anyio_backend: str) -> None:
    async with World(registration__mode="open") as place:
        answers = [await register(place) for _ in range(200)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [201] * 20 + [429] * 180
        assert answers[-1].headers["retry-after"] == "180"
        await place.provider.advance(60)
        assert (await register(place)).status_code == 429
        await place.provider.advance(31 * 86_400)
        await place.provider.advance(16)
        rows = place.server.database.read_now(lambda c: c.execute(sa.select(registrations)).all())
        assert rows == []
        assert await place.server.client("web") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "web"},
        {"client_secret": "a-secret-of-my-own-choice-0123456789"},
        {"redirect_uris": ["https://rp.test/cb#x"]},
        {"redirect_uris": None},
        {"jwks": {"keys": []}},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"registration_client_uri": "https://evil.example/"},
        {"scope": "openid admin"},
    ],
)
async def test_rg_05_a_wrong_update_changes_nothing(world: World, change: dict[str, Any]) -> None:
    found = await registered(world, client_name="Whole", contacts=["a@rp.test"])
    async with world.unchanged():
        body = {**sendable(found, client_name="Half"), **change}
        body = {name: value for name, value in body.items() if value is not None}
        answer = await manage(world, "PUT", found, body)
        assert_refused(answer, 400, "invalid_client_metadata", "invalid_redirect_uri")


async def test_rg_05_left_out_means_default(world: World) -> None:
    found = await registered(world, client_name="Whole", contacts=["a@rp.test"])
    answer = await manage(world, "PUT", found, {"client_id": found["client_id"], "redirect_uris": [CALLBACK]})
    assert not {"contacts", "client_name"} & answer.json().keys()


async def test_rg_07_removed_while_its_tokens_are_asked_for(world: World) -> None:
    found = await registered(world)
    families = await tokens_of(world, found, 5)

    async def refresh(number: int) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": families[number % 5]["refresh_token"]}
        return await world.api.http.post("/token", data=form, auth=(found["client_id"], found["client_secret"]))

    work = [refresh(number) for number in range(50)]
    work.insert(25, manage(world, "DELETE", found))
    answers = await asyncio.gather(*work)
    assert answers[25].status_code == 204
    assert {answer.status_code for answer in answers[:25] + answers[26:]} <= {200, 400, 401}
    issued = [answer.json() for answer in answers if answer.status_code == 200]
    for tokens in [*families, *issued]:
        assert (await world.userinfo(tokens["access_token"])).status_code == 401
        assert not await world.active(tokens["access_token"], "rs")
    assert_refused(await refresh(0), 401, "invalid_client")
    await world.provider.advance(16)

    def left(connection: Connection) -> list[Any]:
        live = grants.c.revoked_at.is_(None) & (grants.c.client_id == found["client_id"])
        queries = [sa.select(grants.c.id).where(live)]
        for table in (clients, registrations):
            queries.append(sa.select(table.c.client_id).where(table.c.client_id == found["client_id"]))
        return [row for query in queries for row in connection.execute(query)]

    assert world.server.database.read_now(left) == []


GOOD = public_jwk(ES_KEY, "es", "ES256")
PRIVATE_NUMBER = {"d": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}
BAD_KEYS: list[Any] = [
    {"keys": [{**GOOD, **PRIVATE_NUMBER}]},
    {"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]},
    {"keys": [None]},
    {"keys": [GOOD, None, GOOD]},
    {"keys": [[]]},
    {"keys": ["RS256"]},
    {"keys": {}},
    {"keys": None},
    {"keys": []},
    {},
    [],
    [GOOD],
    "https://rp.test/jwks",
    7,
    {"keys": [{**GOOD, "crv": "P-192"}]},
    {"keys": [{**GOOD, "x": GOOD["y"]}]},
    {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
    {"keys": [{"kty": "none"}] * 101},
]


@pytest.mark.parametrize("jwks", BAD_KEYS, ids=range(len(BAD_KEYS)))
async def test_rg_08_bad_keys(world: World, jwks: Any) -> None:
    async with world.unchanged():
        answer = await register(world, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
        assert_refused(answer, 400, "invalid_client_metadata")
        assert PRIVATE_NUMBER["d"] not in answer.text


async def test_rg_08_ten_thousand_keys(world: World) -> None:
    async with world.unchanged():
        answer = await register(world, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [{}] * 10_000})
        assert_refused(answer, 400, "invalid_client_metadata")


async def test_rg_08_many_apps_may_share_a_key_and_need_no_kid(world: World) -> None:
    key = {name: value for name, value in public_jwk(ROGUE_KEY, "x", "ES256").items() if name != "kid"}
    for _ in range(2):
        answer = await register(world, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key]})
        assert answer.status_code == 201
        assert answer.json()["jwks"] == {"keys": [key]}


async def test_rg_09_secrets_of_registration_at_rest(world: World) -> None:
    found = await registered(world, client_name="Kept at rest")
    initial = (await world.provider.control("registration.token.add", uses=1, lifetime=60))["token"]
    content = b"".join(path.read_bytes() for path in world.provider.data_dir.glob("idp.sqlite3*"))
    assert b"Kept at rest" in content
    for secret in (found["client_secret"], found["registration_access_token"], initial):
        assert secret.encode() not in content
        assert secret.split(".")[-1].encode() not in content
    assert "client_secret" not in (await manage(world, "GET", found)).json()


INSIDE = [
    "https://127.0.0.1/x",
    "https://[::1]/x",
    "https://10.0.0.1/x",
    "https://169.254.169.254/latest/meta-data",
    "https://192.168.1.1:8443/x",
    "https://[fd00::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://localhost/x",
    "https://a.localhost./x",
    "https://2130706433/x",
    "https://0x7f.1/x",
    "https://127.1/x",
    "http://127.0.0.1/x",
]


async def test_sf_01_called_addresses_aimed_inside_at_registration(production_open: World) -> None:
    canary = await Canary.start()
    texts = set()
    for uri in [*INSIDE, canary.url, f"https://127.0.0.1:{canary.port}/x", "https://127.0.0.1:1/x"]:
        answer = await register(production_open, backchannel_logout_uri=uri)
        assert_refused(answer, 400, "invalid_client_metadata")
        if "127.0.0.1:" in uri and uri.startswith("https"):
            texts.add(re.sub(r":\d+/", "/", answer.json()["error_description"]))
    assert len(texts) == 1, "an open and a closed port are told alike"
    assert canary.visits == 0
    assert (await register(production_open, backchannel_logout_uri="https://rp.test/logout")).status_code == 201


@pytest.fixture
async def production_open(anyio_backend: str) -> AsyncIterator[World]:
    from attack_support import Production

    class Open(Production):
        options = {"registration.mode": "open", "registration.network": 10_000}

    async with World(Open()) as started:
        yield started


async def test_xs_03_stored_by_registration(world: World) -> None:
    for member in ("client_uri", "logo_uri", "tos_uri", "policy_uri"):
        for bad in ("javascript:alert(1)", 'https://x.test/"onload=1', "data:text/html,x", "http://x.test/"):
            assert_refused(await register(world, **{member: bad}), 400, "invalid_client_metadata")
    found = await registered(
        world, client_name=MARKUP, contacts=[MARKUP], client_uri="https://rp.test/?a=1&b='x'", software_id=MARKUP
    )
    browser = world.browser()
    page = await browser.follow(await browser.ask(client_id=found["client_id"], redirect_uri=CALLBACK))
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    consent = await browser.follow(await browser.log_in(page, "alice"))
    assert 'id="consent"' in consent.text, "a registered app never skips consent"
    assert "<script>alert" not in consent.text
    assert "<img src=x" not in consent.text
    assert field_of(consent)
    for link in re.findall(r'(?:href|src)="([^"]*)"', consent.text):
        assert link.startswith(("https://", "/static/")), link

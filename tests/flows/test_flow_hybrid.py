"""Implicit and hybrid flows (OIDC Core 3.2, 3.3): off unless asked for twice; their tokens live and die like others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from authlib.oidc.core.util import create_half_hash
from support import WEB, Answer, App, Page, Visitor, claims_of, discovery, header_of, register, unverified, userinfo

from idp.features import FEATURES
from idp.manifest import ManifestError
from idp.protocol.front_channel import RESPONSE_TYPES
from idp.testing import Provider

pytestmark = pytest.mark.anyio

GRANTS = ("authorization_code", "implicit", "refresh_token")
TYPES = ("code", *RESPONSE_TYPES)
HYBRID = App(
    "hybrid",
    "https://hybrid.test/cb",
    "secret-of-hybrid-0123456789",
    grant_types=GRANTS,
    members={"response_types": TYPES},
)
ES = App(
    "hybrid-es",
    "https://es.test/cb",
    "secret-of-es-0123456789abcdef",
    grant_types=GRANTS,
    members={"response_types": TYPES, "id_token_signed_response_alg": "ES256"},
)
PAGE = App(
    "implicit-page",
    "https://page.test/cb",
    method="none",
    grant_types=("implicit",),
    members={"response_types": ("id_token", "id_token token")},
)


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    async with Provider(implicit_and_hybrid=True) as started:
        await register(started, WEB, HYBRID, ES, PAGE)
        yield started


async def answer(visitor: Visitor, app: App, kind: str, **changes: str | None) -> dict[str, str]:
    stop = await visitor.arrive(app.request(response_type=kind, **changes))
    assert isinstance(stop, Answer)
    assert stop.url.startswith(f"{app.redirect_uri}#")
    return dict(stop.members)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["response_types_supported"] == list(TYPES)
    assert "implicit" in document["grant_types_supported"]
    async with Provider() as usual:
        document = await discovery(usual.http)
        assert document["response_types_supported"] == ["code"]
        assert "implicit" not in document["grant_types_supported"]
    kept = [feature for feature in FEATURES if feature.name != "implicit and hybrid"]
    async with Provider(implicit_and_hybrid=True, features=kept) as without:
        assert (await discovery(without.http))["response_types_supported"] == ["code"]


@pytest.mark.parametrize("app", [HYBRID, ES], ids=lambda app: app.client_id)
@pytest.mark.parametrize("kind", RESPONSE_TYPES)
async def test_each_type_holds_what_it_names(provider: Provider, visitor: Visitor, kind: str, app: App) -> None:
    words = set(kind.split())
    members = await answer(visitor, app, kind, scope="openid email")
    expected = {"state", "iss"} | (words - {"token"})
    expected |= {"access_token", "token_type", "expires_in", "scope"} if "token" in words else set()
    assert set(members) == expected
    if "token" in words:
        assert (members["token_type"], members["expires_in"]) == ("Bearer", "300")
        assert (await userinfo(provider.http, members["access_token"])).json()["email"] == "alice@example.com"
    if "id_token" in words:
        await check_id_token(provider, app, members)
    if "code" in words:
        tokens = (await app.redeem(provider.http, members["code"])).json()
        later = await claims_of(provider.http, tokens["id_token"])
        assert (later["sub"], later["nonce"]) == ("alice", "nonce-of-the-app")
        if "id_token" in words:
            first = unverified(members["id_token"])[1]
            assert {name: first[name] for name in ("iss", "sub", "sid", "auth_time")} == {
                name: later[name] for name in ("iss", "sub", "sid", "auth_time")
            }


async def check_id_token(provider: Provider, app: App, members: dict[str, str]) -> None:
    alg = "ES256" if app is ES else "RS256"
    assert header_of(members["id_token"])["alg"] == alg
    claims = await claims_of(provider.http, members["id_token"], alg)
    assert (claims["aud"], claims["sub"], claims["nonce"]) == (app.client_id, "alice", "nonce-of-the-app")
    hashes = {name: value for name, value in claims.items() if name.endswith("_hash")}
    expected = {
        name: create_half_hash(members[member], alg).decode()
        for name, member in (("at_hash", "access_token"), ("c_hash", "code"))
        if member in members
    }
    assert hashes == expected
    # OIDC Core 5.4: the scopes' claims come along only where UserInfo cannot be asked.
    assert ("email" in claims) is (set(members) == {"id_token", "state", "iss"})


async def test_an_id_token_alone_tells_what_userinfo_would(provider: Provider, visitor: Visitor) -> None:
    members = await answer(visitor, HYBRID, "id_token", scope="openid profile email")
    claims = await claims_of(provider.http, members["id_token"])
    tokens = await answer(visitor, HYBRID, "id_token token", scope="openid profile email")
    told = (await userinfo(provider.http, tokens["access_token"])).json()
    assert {"name", "email", "preferred_username"} <= set(told)
    assert {name: claims[name] for name in told} == told


@pytest.mark.parametrize(
    ("kind", "changes", "error"),
    [
        *((kind, {"nonce": None}, "invalid_request") for kind in RESPONSE_TYPES if "id_token" in kind),
        *((kind, {"scope": "profile"}, "invalid_request") for kind in RESPONSE_TYPES if "id_token" in kind),
        *((kind, {"response_mode": "query"}, "invalid_request") for kind in RESPONSE_TYPES),
        *((kind, {"response_mode": "query.jwt"}, "invalid_request") for kind in RESPONSE_TYPES),
        ("code token", {"nonce": None, "code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ("code id_token", {"code_challenge_method": "plain"}, "invalid_request"),
        ("id_token", {"prompt": "none"}, "login_required"),
        ("token", {}, "unsupported_response_type"),
        ("none", {}, "unsupported_response_type"),
        ("code code token", {}, "unsupported_response_type"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_told_and_never_in_a_query(
    provider: Provider, kind: str, changes: dict[str, str | None], error: str
) -> None:
    visitor = Visitor(provider)
    stop = await visitor.authorize(HYBRID.request(response_type=kind, **changes))
    assert isinstance(stop, Answer)
    assert stop.error == error
    assert set(stop.members) == {"error", "error_description", "state", "iss"}
    if set(kind.split()) & {"token", "id_token"}:
        assert stop.url.startswith(f"{HYBRID.redirect_uri}#")


async def test_code_token_needs_no_nonce(visitor: Visitor) -> None:
    assert "code" in await answer(visitor, HYBRID, "code token", nonce=None)


async def test_the_order_of_the_words_means_nothing(visitor: Visitor) -> None:
    assert {"code", "id_token", "access_token"} <= set(await answer(visitor, HYBRID, "token id_token code"))


async def test_by_form_post_and_signed(provider: Provider, visitor: Visitor) -> None:
    await visitor.arrive(HYBRID.request())
    page = await visitor.authorize(HYBRID.request(response_type="code id_token", response_mode="form_post"))
    assert isinstance(page, Page)
    assert set(page.fields) == {"code", "id_token", "state", "iss"}
    stop = await visitor.authorize(HYBRID.request(response_type="code id_token token", response_mode="jwt"))
    assert isinstance(stop, Answer)
    assert stop.url.startswith(f"{HYBRID.redirect_uri}#response=")
    claims = await claims_of(provider.http, stop.members["response"])
    assert {"code", "id_token", "access_token", "expires_in", "iss", "aud", "exp"} <= set(claims)
    assert (await HYBRID.redeem(provider.http, claims["code"])).status_code == 200


async def test_a_public_page_without_a_code(provider: Provider, visitor: Visitor) -> None:
    """No code, so PKCE has nothing to bind; no refresh token, so offline_access is quietly gone."""
    for app in (HYBRID, PAGE):  # the first may refresh what it gets for a code
        members = await answer(visitor, app, "id_token token", scope="openid offline_access")
        assert members["scope"] == "openid"
    members = await answer(visitor, PAGE, "id_token token", code_challenge=None, code_challenge_method=None)
    assert members["scope"] == "openid"
    again = await visitor.authorize(PAGE.request(response_type="id_token token", prompt="none", scope="openid"))
    assert isinstance(again, Answer)
    assert "id_token" in again.members, "renewed without a page"


async def test_what_the_code_was_exchanged_for_and_what_came_beside_it_end_together(
    provider: Provider, visitor: Visitor
) -> None:
    members = await answer(visitor, HYBRID, "code id_token token")
    assert (await userinfo(provider.http, members["access_token"])).status_code == 200
    assert (await HYBRID.redeem(provider.http, members["code"])).status_code == 200
    assert (await HYBRID.redeem(provider.http, members["code"])).json()["error"] == "invalid_grant"
    assert (await userinfo(provider.http, members["access_token"])).status_code == 401
    assert await HYBRID.introspect(provider.http, members["access_token"]) == {"active": False}


async def test_a_front_channel_token_dies_with_the_session_and_can_be_revoked(
    provider: Provider, visitor: Visitor
) -> None:
    first, second = [(await answer(visitor, HYBRID, "id_token token")) for _ in range(2)]
    await HYBRID.revoke(provider.http, first["access_token"])
    assert (await userinfo(provider.http, first["access_token"])).status_code == 401
    assert (await userinfo(provider.http, second["access_token"])).status_code == 200
    stop = await visitor.open("/logout", {"id_token_hint": second["id_token"]})
    assert isinstance(stop, Page)
    assert stop.id == "logged-out"
    assert (await userinfo(provider.http, second["access_token"])).status_code == 401


async def test_a_client_for_codes_gets_nothing_else(visitor: Visitor) -> None:
    await visitor.arrive(WEB.request())
    for kind in RESPONSE_TYPES:
        stop = await visitor.authorize(WEB.request(response_type=kind))
        assert isinstance(stop, Answer)
        assert stop.error == "unauthorized_client"


async def test_implicit_is_nothing_at_the_token_endpoint(provider: Provider) -> None:
    refused = await HYBRID.token(provider.http, "implicit")
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("members", "grants", "words"),
    [
        ({"response_types": ("id_token",)}, ("authorization_code",), "goes with implicit"),
        ({"response_types": ("code id_token",)}, ("implicit",), "goes with authorization_code"),
        ({"response_types": ("code",)}, ("authorization_code", "implicit"), "implicit goes with a response type"),
        ({"response_types": ("token",)}, GRANTS, "response_types this server has"),
        ({"response_types": ("id_token code",)}, GRANTS, "response_types this server has"),
    ],
    ids=str,
)
async def test_grants_and_response_types_are_registered_in_pairs(
    provider: Provider, members: dict[str, Any], grants: tuple[str, ...], words: str
) -> None:
    app = App("pairs", "https://pairs.test/cb", "secret-of-pairs-0123456789", grant_types=grants, members=members)
    with pytest.raises(ManifestError, match=words):
        await register(provider, app)


async def test_off_in_the_settings_it_cannot_be_registered() -> None:
    async with Provider() as usual:
        with pytest.raises(ManifestError, match="implicit_and_hybrid = true"):
            await register(usual, HYBRID)


async def test_an_app_that_registers_itself_is_held_to_the_same() -> None:
    """OIDC Registration 2: only where the server has them, and in pairs."""
    asked = {
        "redirect_uris": ["https://itself.test/cb"],
        "response_types": ["code id_token", "id_token"],
        "grant_types": ["authorization_code", "implicit"],
        "authorization_signed_response_alg": "ES256",
    }
    async with Provider(implicit_and_hybrid=True, registration__mode="open") as provider:
        made = await provider.http.post("/register", json=asked)
        assert made.status_code == 201
        assert {name: made.json()[name] for name in asked} == asked
        refused = await provider.http.post("/register", json={**asked, "grant_types": ["authorization_code"]})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
    async with Provider(registration__mode="open") as usual:
        refused = await usual.http.post("/register", json=asked)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")

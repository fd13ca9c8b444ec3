"""Signed UserInfo (OIDC Core 5.3.2) and introspection as a JWT (RFC 9701): other forms, and no tokens."""

from __future__ import annotations

import httpx2
import pytest
from support import WEB, App, Visitor, claims_of, discovery, header_of, register, sign_in, unverified, userinfo

from idp.features import FEATURES
from idp.testing import Provider

pytestmark = pytest.mark.anyio

API = "https://api.test/orders"
RESOURCE = f'[[resources]]\nuri = "{API}"\nscopes = []\n\n'
SIGNED = App(
    "signed", "https://signed.test/cb", "secret-of-signed-0123456789", members={"userinfo_signed_response_alg": "ES256"}
)
RS = App(
    "rs",
    secret="secret-of-rs-0123456789",
    scope="",
    grant_types=(),
    members={"audiences": [API], "introspection_signed_response_alg": "ES256"},
)
USUAL_RS = App("usual-rs", secret="secret-of-rs-0123456789", scope="", grant_types=(), members={"audiences": [API]})
CALLER = App(
    "caller",
    secret="secret-of-caller-0123456789",
    scope="",
    grant_types=("client_credentials",),
    members={"resources": [API]},
)
JWT_TYPE = "application/token-introspection+jwt"


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(RESOURCE)
    await register(provider, SIGNED, RS, USUAL_RS, CALLER)


async def test_both_are_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["userinfo_signing_alg_values_supported"] == ["RS256", "ES256"]
    assert document["introspection_signing_alg_values_supported"] == ["RS256", "ES256"]


# -- UserInfo


async def test_userinfo_comes_signed_to_whoever_registered_for_it(provider: Provider) -> None:
    tokens = await sign_in(provider, SIGNED, scope="openid email")
    answer = await userinfo(provider.http, tokens["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    assert answer.headers["cache-control"] == "no-store"
    assert header_of(answer.text)["alg"] == "ES256"
    assert await claims_of(provider.http, answer.text) == {
        "iss": provider.issuer,
        "aud": "signed",
        "iat": int(provider.clock()),
        "sub": "alice",
        "email": "alice@example.com",
        "email_verified": True,
    }
    posted = await provider.http.post("/userinfo", data={"access_token": tokens["access_token"]})
    assert posted.headers["content-type"] == "application/jwt"


async def test_userinfo_stays_json_for_everybody_else(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope="openid")
    answer = await userinfo(provider.http, tokens["access_token"])
    assert (answer.headers["content-type"], answer.json()) == ("application/json", {"sub": "alice"})


async def test_a_refusal_is_never_a_jwt(provider: Provider) -> None:
    tokens = await sign_in(provider, SIGNED, scope="openid")
    assert (await SIGNED.revoke(provider.http, tokens["access_token"])).status_code == 200
    answer = await userinfo(provider.http, tokens["access_token"])
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")


async def test_signed_userinfo_is_no_token_of_any_kind(provider: Provider, visitor: Visitor) -> None:
    await visitor.sign_on(SIGNED.request())
    tokens = (await SIGNED.redeem(provider.http, (await visitor.sign_on(SIGNED.request())).code)).json()
    text = (await userinfo(provider.http, tokens["access_token"])).text
    header, claims = unverified(text)
    assert header["typ"] == "userinfo+jwt"
    assert "exp" not in claims
    assert (await userinfo(provider.http, text)).status_code == 401
    assert await SIGNED.introspect(provider.http, text) == {"active": False}
    stop = await visitor.open("/authorize", SIGNED.request(prompt="none", id_token_hint=text))
    assert getattr(stop, "error", None) == "login_required"
    stop = await visitor.open("/authorize", SIGNED.request(prompt="none", id_token_hint=tokens["id_token"]))
    assert getattr(stop, "error", None) is None
    answer = await provider.http.get("/logout", params={"id_token_hint": text})
    assert answer.status_code == 400


# -- introspection


async def asked(provider: Provider, app: App, token: str, accept: str | None = JWT_TYPE) -> httpx2.Response:
    return await app.call(provider.http, "/introspect", {"token": token}, **({"accept": accept} if accept else {}))


async def for_the_api(provider: Provider) -> str:
    answer = await CALLER.token(provider.http, "client_credentials", resource=API)
    return str(answer.json()["access_token"])


async def test_introspection_as_rfc_9701_5_shows_it(provider: Provider) -> None:
    token = await for_the_api(provider)
    answer = await asked(provider, RS, token)
    assert (answer.status_code, answer.headers["content-type"]) == (200, JWT_TYPE)
    assert answer.headers["cache-control"] == "no-store"
    header = header_of(answer.text)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", "ES256")
    claims = await claims_of(provider.http, answer.text)
    inside = claims.pop("token_introspection")
    assert claims == {"iss": provider.issuer, "aud": "rs", "iat": int(provider.clock())}
    assert inside == (await asked(provider, RS, token, None)).json()
    assert inside["active"] is True
    assert inside["aud"] == API
    # Those of the section's example that are registered for every token; it goes on with claims about a person.
    assert {"active", "iss", "aud", "iat", "exp", "client_id", "scope", "sub"} <= inside.keys()


async def test_rs256_is_the_default(provider: Provider) -> None:
    """RFC 9701 6."""
    answer = await asked(provider, USUAL_RS, await for_the_api(provider))
    assert header_of(answer.text)["alg"] == "RS256"


async def test_whoever_does_not_ask_by_name_gets_json(provider: Provider) -> None:
    token = await for_the_api(provider)
    usual = (None, "*/*", "application/*", "application/json", "", "application/jwt")
    unwelcome = (f"{JWT_TYPE};q=0", f"{JWT_TYPE};q=x", f"{JWT_TYPE};q=7", f"application/json, {JWT_TYPE};q=0.5")
    for accept in (*usual, *unwelcome):
        assert (await asked(provider, RS, token, accept)).headers["content-type"] == "application/json", accept
    welcome = (JWT_TYPE, JWT_TYPE.upper(), f"text/html, {JWT_TYPE}", f"{JWT_TYPE};q=0.3, */*")
    for accept in (*welcome, f"{JWT_TYPE}, application/json"):
        assert (await asked(provider, RS, token, accept)).headers["content-type"] == JWT_TYPE, accept


async def test_a_token_that_is_dead_or_somebody_else_s_is_inactive_in_a_jwt_too(provider: Provider) -> None:
    elsewhere = (await sign_in(provider, WEB, scope="openid"))["access_token"]
    dead = await for_the_api(provider)
    await CALLER.revoke(provider.http, dead)
    for token in (elsewhere, dead, "nonsense"):
        claims = await claims_of(provider.http, (await asked(provider, RS, token)).text)
        assert claims["token_introspection"] == {"active": False}
        assert "sub" not in claims


async def test_a_caller_who_is_not_proved_gets_no_jwt(provider: Provider) -> None:
    token = await for_the_api(provider)
    answer = await provider.http.post("/introspect", data={"token": token}, auth=("rs", "x" * 20))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")


async def test_an_introspection_answer_is_no_token_of_any_kind(provider: Provider) -> None:
    text = (await asked(provider, RS, await for_the_api(provider))).text
    assert "exp" not in unverified(text)[1]
    assert (await asked(provider, RS, text, None)).json() == {"active": False}
    assert (await userinfo(provider.http, text)).status_code == 401


async def test_a_refresh_token_of_the_caller_s_own_may_be_asked_about_as_well(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope="openid offline_access")
    claims = await claims_of(provider.http, (await asked(provider, WEB, tokens["refresh_token"])).text)
    assert (claims["aud"], claims["token_introspection"]["active"]) == ("web", True)


async def test_a_resource_server_that_only_introspects_needs_no_grant(provider: Provider) -> None:
    answer = await RS.token(provider.http, "client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    listed = {row["client_id"]: row for row in (await provider.control("client.list"))["clients"]}
    assert list(listed["rs"]["grant_types"]) == []
    assert "grant_types = []" in (await provider.control("export", section="clients"))["text"]


async def test_switched_off_both_answers_are_plain_again() -> None:
    kept = [feature for feature in FEATURES if feature.name not in ("signed userinfo", "jwt introspection")]
    async with Provider(features=kept) as provider:
        await provider.apply(RESOURCE)
        await register(provider, SIGNED, RS, CALLER)
        tokens = await sign_in(provider, SIGNED, scope="openid")
        assert (await userinfo(provider.http, tokens["access_token"])).json() == {"sub": "alice"}
        answer = await asked(provider, RS, await for_the_api(provider))
        assert answer.json()["active"] is True

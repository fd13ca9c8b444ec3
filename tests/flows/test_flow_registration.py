"""Dynamic client registration (RFC 7591, OpenID Connect Registration 1.0): open, by initial token, with limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
from assertions import SIGNED, assertion, present
from support import VERIFIER, Answer, App, Page, Visitor, discovery
from support.loopback import sink

from idp.features import FEATURES
from idp.protocol.client import Client
from idp.protocol.registration_names import REGISTERED_NAMES
from idp.protocol.registration_parts import Flaw, flaw
from idp.protocol.registration_request import private, registrable
from idp.server import Server
from idp.testing import Provider

pytestmark = pytest.mark.anyio

URI = "https://app.test/cb"
API = "https://api.test/orders"
# What decides what an app may do here.
OPERATORS = (
    *("resources", "audiences", "refresh", "refresh_grace", "access_token_lifetime", "assertion_audience"),
    *("access_token_signed_response_alg", "require_pkce", "allowed_origins", "consent", "remember_consent"),
    *("disabled", "token_exchange"),
)


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    async with Provider(registration__mode="open", registration__network=10_000) as started:
        yield started


async def register(provider: Provider, /, **members: Any) -> httpx2.Response:
    return await provider.http.post("/register", json={"redirect_uris": [URI], **members})


async def registered(provider: Provider, /, **members: Any) -> dict[str, Any]:
    answer = await register(provider, **members)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def app_of(members: Mapping[str, Any]) -> App:
    return App(members["client_id"], URI, members.get("client_secret"), members["token_endpoint_auth_method"])


async def signed_on(provider: Provider, members: Mapping[str, Any], **asked: str) -> dict[str, Any]:
    """A sign-on of alice; the consent page is always met the first time."""
    visitor, app = Visitor(provider), app_of(members)
    stop = await visitor.log_in(await visitor.authorize(app.request(**asked)), "alice")
    assert isinstance(stop, Page)
    assert stop.id == "consent"
    back = await visitor.submit(stop, decision="allow")
    assert isinstance(back, Answer)
    answer = await app.redeem(provider.http, back.code, code_verifier=None if asked.get("plain") else VERIFIER)
    assert answer.status_code == 200, answer.text
    await visitor.aclose()
    return dict(answer.json())


async def test_it_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["registration_endpoint"] == f"{provider.issuer}/register"


async def test_a_fresh_install_has_neither_endpoint_nor_word_of_it() -> None:
    async with Provider() as fresh:
        assert (await register(fresh)).status_code == 404
        assert (await fresh.http.get("/register/client?client_id=x")).status_code == 404
        assert "registration_endpoint" not in (await fresh.http.get("/.well-known/openid-configuration")).text


async def test_the_answer_holds_every_member_with_its_default(provider: Provider) -> None:
    answer = await register(provider, client_name="Photo album")
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert len(found["client_id"]) == 22
    assert len(found["client_secret"]) == 43
    assert found["client_secret_expires_at"] == 0
    assert found["client_id_issued_at"] == int(provider.clock())
    assert found["registration_client_uri"] == f"{provider.issuer}/register/client?client_id={found['client_id']}"
    assert found["registration_access_token"].startswith("ra.")
    assert found["client_name"] == "Photo album"
    assert found["redirect_uris"] == [URI]
    assert found["token_endpoint_auth_method"] == "client_secret_basic"
    assert found["grant_types"] == ["authorization_code"]
    assert found["response_types"] == ["code"]
    assert found["application_type"] == "web"
    assert found["id_token_signed_response_alg"] == "RS256"
    assert found["scope"] == "openid profile email address phone"  # nothing to refresh: no offline_access
    assert not private() - {"client_id"} & found.keys()


async def test_what_is_registered_signs_people_in(provider: Provider) -> None:
    found = await registered(provider, grant_types=["authorization_code", "refresh_token"])
    tokens = await signed_on(provider, found, scope="openid email offline_access")
    assert tokens["scope"] == "openid email offline_access"
    renewed = await app_of(found).refresh(provider.http, tokens["refresh_token"])
    assert renewed.status_code == 200


async def test_a_public_one_has_no_secret_and_needs_pkce(provider: Provider) -> None:
    found = await registered(provider, token_endpoint_auth_method="none")
    assert not {"client_secret", "client_secret_expires_at"} & found.keys()
    bare = app_of(found).request(code_challenge=None, code_challenge_method=None)
    stop = await Visitor(provider).authorize(bare)
    assert isinstance(stop, Answer)
    assert stop.error == "invalid_request"
    assert (await signed_on(provider, found))["token_type"] == "Bearer"


async def test_unknown_members_are_ignored_and_not_echoed(provider: Provider) -> None:
    extra = {"client_name#de": "Fotoalbum", "favourite_colour": "blue", "tos_uri#fr": "https://app.test/fr"}
    found = await registered(provider, client_name="Album", **extra, logo_uri="", contacts=None, policy_uri=None)
    assert not {*extra, "logo_uri", "contacts", "policy_uri"} & found.keys()


async def test_what_means_nothing_here_yet_is_kept_and_told(provider: Provider) -> None:
    told = {
        "contacts": ["ann@app.test"],
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "2.1",
        "client_uri": "https://app.test/",
        "initiate_login_uri": "https://app.test/login",
        "default_max_age": 3600,
    }
    found = await registered(provider, **told)
    assert {name: found[name] for name in told} == told


def test_every_member_is_the_operators_or_a_registered_name() -> None:
    """A new member of Client is the operator's unless it has a registered name: nobody can forget to close it."""
    assert set(registrable()) == set(Client.__struct_fields__) & REGISTERED_NAMES
    assert private() == set(Client.__struct_fields__) - REGISTERED_NAMES
    assert {*OPERATORS, "registered", "client_id", "secret_hashes"} <= private()


async def test_what_is_the_operators_cannot_be_asked_for(provider: Provider) -> None:
    mine = {
        "client_id": "admin",
        "client_secret": "a-secret-of-my-own-choice-0123456789",
        "secret_hashes": ["AA=="],
        "consent": "skip",
        "resources": [API],
        "audiences": [provider.issuer],
        "refresh": "session",
        "refresh_grace": 600,
        "access_token_lifetime": 86_400,
        "require_pkce": False,
        "allowed_origins": ["https://evil.test"],
        "registered": False,
        "disabled": False,
    }
    found = await registered(provider, **mine)
    assert found["client_id"] != "admin"
    assert found["client_secret"] != mine["client_secret"]
    stored = await provider.server.client(found["client_id"])
    assert stored is not None
    usual = Client(client_id=found["client_id"])
    kept = private() - {"secret_hashes", "registered"}
    assert {name: getattr(stored, name) for name in kept} == {name: getattr(usual, name) for name in kept}
    assert stored.registered


@pytest.mark.parametrize(
    ("members", "error", "said"),
    [
        ({"redirect_uris": ["https://app.test/cb#part"]}, "invalid_redirect_uri", "redirect_uris[0]: no fragment"),
        ({"redirect_uris": [URI, "http://app.test/cb"]}, "invalid_redirect_uri", "redirect_uris[1]: http only on this"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", "redirect_uris[0]"),
        ({"redirect_uris": []}, "invalid_redirect_uri", "no redirect_uris"),
        ({"redirect_uris": URI}, "invalid_redirect_uri", "redirect_uris is list of text"),
        ({"redirect_uris": [7]}, "invalid_redirect_uri", "redirect_uris is list of text"),
        ({"client_name": 7}, "invalid_client_metadata", "client_name is text, received 7"),
        ({"client_name": "a\u202eb"}, "invalid_client_metadata", "client_name is shown to people"),
        ({"client_uri": "data:text/html,x"}, "invalid_client_metadata", "client_uri"),
        ({"initiate_login_uri": "http://localhost/login"}, "invalid_client_metadata", "initiate_login_uri"),
        ({"grant_types": ["password"]}, "invalid_client_metadata", "grant_types[0]"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata", "grant_types[0]"),
        ({"response_types": ["token"]}, "invalid_client_metadata", "response_types[0]"),
        ({"scope": "openid orders"}, "invalid_client_metadata", "scope: a scope registered apps may have here"),
        ({"token_endpoint_auth_method": "tls"}, "invalid_client_metadata", "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata", "jwks"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata", "id_token_signed_response_alg"),
        ({"default_max_age": -1}, "invalid_client_metadata", "default_max_age"),
        ({"default_max_age": "60"}, "invalid_client_metadata", "default_max_age is whole number"),
        ({"software_version": "x" * 201}, "invalid_client_metadata", "software_version"),
        ({"software_statement": "eyJhbGciOiJub25lIn0.e30."}, "unapproved_software_statement", "leave software_state"),
    ],
)
async def test_each_flaw_is_named(provider: Provider, members: dict[str, Any], error: str, said: str) -> None:
    answer = await register(provider, **members)
    assert answer.status_code == 400
    told = answer.json()
    assert told.keys() == {"error", "error_description"}
    assert told["error"] == error
    assert said in told["error_description"], told
    assert all(" " <= c <= "~" and c not in '"\\' for c in told["error_description"])


async def test_all_flaws_come_in_one_answer(provider: Provider) -> None:
    answer = await register(provider, client_uri="ftp://x", grant_types=["magic"], scope='openid "quoted"')
    for member in ("client_uri:", "grant_types[0]:", "scope:"):
        assert member in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"redirect_uris": ["https://a.test/cb"], "redirect_uris": ["https://b.test/cb"]}', "application/json", 400),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"redirect_uris": NaN}', "application/json", 400),
        (b'{"client_name": "\xff"}', "application/json", 400),
        (b'{"client_name": "\\ud800"}', "application/json", 400),
        (b'{"redirect_uris": ["https://a.test/cb"]}', "text/plain", 415),
        (b"redirect_uris=https://a.test/cb", "application/x-www-form-urlencoded", 415),
        (b'{"client_name": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
async def test_only_one_json_object_is_read(provider: Provider, body: bytes, kind: str, status: int) -> None:
    answer = await provider.http.post("/register", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text


# -- what the operator allows


async def test_the_operator_opens_scopes_resources_and_grants() -> None:
    options: dict[str, Any] = {
        "registration__mode": "open",
        "registration__scopes": ["openid", "orders", "offline_access"],
        "registration__resources": [API],
        "registration__grant_types": ["authorization_code", "client_credentials"],
        "registration__require_pkce": False,
    }
    async with Provider(**options) as provider:
        await provider.apply(f'[[scopes]]\nname = "orders"\n[[resources]]\nuri = "{API}"\nscopes = ["orders"]')
        service = await registered(provider, grant_types=["client_credentials"], redirect_uris=[])
        assert service["scope"] == "orders"
        token = await app_of(service).token(provider.http, "client_credentials", resource=API)
        assert token.json()["scope"] == "orders"
        assert (await register(provider, scope="openid email")).json()["error"] == "invalid_client_metadata"
        assert (await register(provider, grant_types=["refresh_token"])).status_code == 400
        found = await registered(provider, scope="openid orders")
        # Neither PKCE nor a nonce, as the conformance suite's clients ask.
        bare = {"code_challenge": None, "code_challenge_method": None, "nonce": None}
        visitor, app = Visitor(provider), app_of(found)
        stop = await visitor.log_in(await visitor.authorize(app.request(**bare, resource=API)), "alice")
        assert isinstance(stop, Page)
        back = await visitor.submit(stop, decision="allow")
        assert isinstance(back, Answer)
        assert (await app.redeem(provider.http, back.code, code_verifier=None)).status_code == 200


@pytest.mark.parametrize(("setting", "status"), [("issuer", 401), ("token_endpoint", 200)])
async def test_the_operator_says_what_assertions_of_registered_apps_may_name(setting: str, status: int) -> None:
    """OIDC Core 9 has them name the token endpoint; the issuer is always good."""
    options = {"registration__mode": "open", "registration__assertion_audience": setting}
    async with Provider(**options, registration__grant_types=["client_credentials"]) as provider:
        asked = {"token_endpoint_auth_method": "private_key_jwt", "jwks": SIGNED.members["jwks"]}
        found = await registered(provider, grant_types=["client_credentials"], redirect_uris=[], **asked)
        for audience, expected in ((f"{provider.issuer}/token", status), (provider.issuer, 200)):
            signed = assertion(provider, iss=found["client_id"], sub=found["client_id"], aud=audience)
            assert (await present(provider, signed)).status_code == expected


async def test_a_check_that_asks_the_outside_comes_before_storing() -> None:
    asked: list[str] = []

    async def check(server: Server, client: Client) -> tuple[Flaw, ...]:
        asked.append(client.client_name)
        bad = client.client_name == "bad"
        return (flaw("client_uri", "a page that answers", "no answer", "200", "start it"),) if bad else ()

    feature = next(one for one in FEATURES if one.name == "dynamic registration")
    checked = type(feature)("checked", registration_checks=(check,))
    async with Provider(registration__mode="open", features=[*FEATURES, checked]) as provider:
        refused = await register(provider, client_name="bad")
        assert refused.json()["error_description"].startswith("client_uri: a page")
        assert (await register(provider, client_name="good", scope="no")).status_code == 400
        assert (await register(provider, client_name="good")).status_code == 201
    assert asked == ["bad", "good"]


# -- initial access tokens


@pytest.fixture(scope="module")
async def guarded() -> AsyncIterator[Provider]:
    async with Provider(registration__mode="token", registration__network=1) as started:
        yield started


async def by_token(provider: Provider, token: str, **members: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"}
    return await provider.http.post("/register", json={"redirect_uris": [URI], **members}, headers=headers)


async def test_without_a_token_nobody_registers(guarded: Provider) -> None:
    answer = await register(guarded)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="idp"')
    for token in ("ia.nobody-has-this-one", "x"):
        answer = await by_token(guarded, token)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_token_counts_its_uses_and_its_time(guarded: Provider) -> None:
    made = await guarded.control("registration.token.add", uses=2, lifetime=60, name="ci")
    assert (await by_token(guarded, made["token"], grant_types=["magic"])).status_code == 400, "a refusal costs no use"
    for _ in range(2):  # the network's limit is for those without a token
        assert (await by_token(guarded, made["token"])).status_code == 201
    assert (await by_token(guarded, made["token"])).status_code == 401
    shown = (await guarded.control("registration.token.list"))["tokens"]
    assert [(one["name"], one["uses_left"]) for one in shown] == [("ci", 0)]
    late = await guarded.control("registration.token.add", uses=5, lifetime=60)
    await guarded.advance(60)
    assert (await by_token(guarded, late["token"])).status_code == 401
    gone = await guarded.control("registration.token.add", uses=5, lifetime=60)
    await guarded.control("registration.token.remove", name=gone["name"])
    assert (await by_token(guarded, gone["token"])).status_code == 401
    assert (await guarded.control("registration.token.list"))["tokens"] == []
    events = (await guarded.control("audit.tail", limit=100))["events"]
    named = [event["detail"].get("initial_token") for event in events if event["event"] == "client.registered"]
    assert named == ["ci", "ci"]


async def test_where_anybody_may_a_bad_token_is_still_told(provider: Provider) -> None:
    assert (await by_token(provider, "ia.wrong")).status_code == 401


async def test_of_32_at_once_a_token_registers_as_many_as_it_says(guarded: Provider) -> None:
    made = await guarded.control("registration.token.add", uses=5, lifetime=60)
    answers = await asyncio.gather(*(by_token(guarded, made["token"]) for _ in range(32)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [401] * 27


# -- limits, and apps nobody uses


async def test_one_network_registers_so_many() -> None:
    async with Provider(registration__mode="open", registration__network=3, registration__network_window=60) as few:
        for _ in range(3):
            assert (await register(few)).status_code == 201
        refused = await register(few)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
        await few.advance(20)
        assert (await register(few)).status_code == 201


async def test_an_app_nobody_uses_goes_and_one_somebody_used_stays() -> None:
    async with Provider(registration__mode="open", registration__unused_lifetime=100, lifetimes__code=600) as place:
        unused, used, asked = [await registered(place) for _ in range(3)]
        await signed_on(place, used)
        visitor, app = Visitor(place), app_of(asked)
        stop = await visitor.log_in(await visitor.authorize(app.request()), "bob")
        assert isinstance(stop, Page)
        await visitor.submit(stop, decision="allow")  # answered, and its code never redeemed
        await place.advance(99)
        assert await place.server.client(unused["client_id"])
        await place.advance(2)
        await place.server.reload_registry()
        kept = [bool(await place.server.client(one["client_id"])) for one in (unused, used, asked)]
        assert kept == [False, True, True]
        events = (await place.control("audit.tail", limit=100))["events"]
        gone = [event for event in events if event["event"] == "client.unregistered"]
        assert [(one["client_id"], one["detail"]["reason"]) for one in gone] == [
            (unused["client_id"], "nobody ever used it")
        ]


async def test_a_service_that_got_a_token_stays() -> None:
    """It has no redirect URI that could tell."""
    grants = ["client_credentials"]
    options: dict[str, Any] = {"registration__grant_types": grants, "registration__unused_lifetime": 100}
    async with Provider(registration__mode="open", **options) as place:
        used, idle = [await registered(place, redirect_uris=[], grant_types=grants) for _ in range(2)]
        assert (await app_of(used).token(place.http, "client_credentials")).status_code == 200
        await place.advance(101)
        await place.server.reload_registry()
        assert [bool(await place.server.client(one["client_id"])) for one in (used, idle)] == [True, False]


# -- where browsers call from


async def test_a_browser_app_registers_from_anywhere_without_cookies(provider: Provider) -> None:
    asked = {
        "origin": "https://inspector.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    preflight = await provider.http.options("/register", headers=asked)
    assert preflight.headers["access-control-allow-origin"] == "https://inspector.test"
    answer = await provider.http.post(
        "/register", json={"redirect_uris": [URI]}, headers={"origin": "https://inspector.test"}
    )
    assert answer.headers["access-control-allow-origin"] == "https://inspector.test"
    assert "access-control-allow-credentials" not in answer.headers


# -- logout of a registered app


async def test_its_sign_out_address_may_not_be_inside() -> None:
    with sink() as app:
        async with Provider(registration__mode="open") as dev:  # on this machine, dev calls this machine
            assert (await register(dev, backchannel_logout_uri=app.url)).status_code == 201



"""The claims parameter (OIDC Core 5.5): told where asked, allowed by the person, kept with the grant."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from requesting import JWKS, handle, signed
from support import (
    PASSWORD,
    Answer,
    App,
    Page,
    Visitor,
    add_person,
    claims_of,
    discovery,
    granted,
    register,
    sign_in,
    userinfo,
)

from idp.testing import Provider

pytestmark = pytest.mark.anyio

SHOP = App(
    "claims-shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789",
    scope="openid profile email address offline_access plan",
    members={"client_name": "Corner shop"},
)
OWN = App("claims-own", "https://own.test/cb", "secret-of-own-0123456789", members={"consent": "skip"})
NARROW = App("claims-narrow", "https://narrow.test/cb", "secret-of-narrow-012345", scope="openid profile")
PLAN = """
[[scopes]]
name = "plan"
description = "See your plan"
claims = ["zoneinfo"]
"""
DETAILS: dict[str, Any] = {
    "name": "Eve Example",
    "email": "eve@example.com",
    "email_verified": True,
    "zoneinfo": "Europe/Berlin",
    "address": {"country": "DE", "locality": "Berlin"},
}


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(PLAN)
    await register(provider, SHOP, OWN, NARROW)


@pytest.fixture
async def eve(provider: Provider) -> str:
    name = f"eve-{uuid.uuid4().hex[:8]}"
    await add_person(provider, name, **DETAILS)
    return name


def wish(**places: Any) -> str:
    return json.dumps(places)


async def told(provider: Provider, person: str, claims: str, app: App = SHOP, **changes: str) -> dict[str, Any]:
    """What UserInfo and the ID token say beside what they always say."""
    tokens = await sign_in(provider, app, person, PASSWORD, claims=claims, **changes)
    answer = (await userinfo(provider.http, tokens["access_token"])).json()
    inside = await claims_of(provider.http, tokens["id_token"])
    usual = {"iss", "sub", "aud", "iat", "exp", "at_hash", "auth_time", "nonce", "acr", "amr", "sid"}
    answer.pop("sub")
    return {"userinfo": answer, "id_token": {name: inside[name] for name in inside.keys() - usual}}


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["claims_parameter_supported"] is True
    assert {"name", "email", "updated_at", "address"} <= set(document["claims_supported"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"userinfo": {"name": {"essential": True}}}, {"userinfo": ["name"]}),
        ({"userinfo": {"name": None, "email": {}}}, {"userinfo": ["name", "email"]}),
        ({"id_token": {"email": None}}, {"id_token": ["email"]}),
        (
            {"userinfo": {"address": None}, "id_token": {"zoneinfo": None}},
            {"userinfo": ["address"], "id_token": ["zoneinfo"]},
        ),
        ({"userinfo": {"gender": {"essential": True}, "unheard_of": None, "name#de": None}}, {}),
        ({"id_token": {"iss": None, "aud": {"value": "x"}, "exp": None}, "more": [1]}, {}),
        ({}, {}),
    ],
    ids=str,
)
async def test_what_is_asked_is_told_in_its_place(
    provider: Provider, eve: str, asked: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    found = await told(provider, eve, wish(**asked))
    for place in ("userinfo", "id_token"):
        assert found[place] == {name: DETAILS[name] for name in expected.get(place, [])}, place


@pytest.mark.parametrize(
    ("asked", "is_told"),
    [
        ({"value": "Eve Example"}, True),
        ({"values": ["Adam", "Eve Example"]}, True),
        ({"value": "Adam"}, False),
        ({"values": [True, 1, None, {"a": []}], "essential": True}, False),
    ],
)
async def test_a_claim_asked_for_by_value_is_told_only_if_it_has_it(
    provider: Provider, eve: str, asked: dict[str, Any], is_told: bool
) -> None:
    found = await told(provider, eve, wish(userinfo={"name": asked}))
    assert ("name" in found["userinfo"]) is is_told


async def test_true_is_not_one(provider: Provider, eve: str) -> None:
    asked = {"userinfo": {"email_verified": {"value": 1}}, "id_token": {"email_verified": {"value": True}}}
    found = await told(provider, eve, wish(**asked))
    assert found == {"userinfo": {}, "id_token": {"email_verified": True}}


async def test_scopes_open_theirs_beside_it(provider: Provider, eve: str) -> None:
    found = await told(provider, eve, wish(userinfo={"zoneinfo": None}), scope="openid email")
    assert found["userinfo"].keys() == {"email", "email_verified", "zoneinfo"}


async def test_no_more_than_the_scopes_the_client_is_registered_with_open(provider: Provider, eve: str) -> None:
    asked = wish(userinfo={"email": {"essential": True}, "name": None}, id_token={"email": None})
    assert await told(provider, eve, asked, NARROW) == {"userinfo": {"name": DETAILS["name"]}, "id_token": {}}


async def test_a_refreshed_id_token_holds_them_again(provider: Provider, eve: str) -> None:
    asked = wish(id_token={"email": None}, userinfo={"name": None})
    tokens = await sign_in(provider, SHOP, eve, PASSWORD, claims=asked, scope="openid offline_access")
    again = (await SHOP.refresh(provider.http, tokens["refresh_token"])).json()
    assert (await claims_of(provider.http, again["id_token"]))["email"] == DETAILS["email"]
    assert (await userinfo(provider.http, again["access_token"])).json()["name"] == DETAILS["name"]


async def test_without_openid_it_means_nothing(provider: Provider, eve: str) -> None:
    tokens = await sign_in(provider, SHOP, eve, PASSWORD, claims=wish(userinfo={"name": None}), scope="profile")
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 403


async def consent_of(visitor: Visitor, person: str, **changes: str) -> Page:
    stop = await visitor.authorize(SHOP.request(**changes))
    if isinstance(stop, Page) and stop.id == "login":
        stop = await visitor.log_in(stop, person, PASSWORD)
    assert isinstance(stop, Page), stop
    assert stop.id == "consent"
    return stop


async def test_the_consent_page_shows_them_with_their_values(visitor: Visitor, eve: str) -> None:
    asked = wish(userinfo={"email": None, "gender": None}, id_token={"name": None})
    page = await consent_of(visitor, eve, claims=asked, scope="openid email")
    assert "See single entries of your profile" in page.text
    assert "Eve Example" in page.text
    assert "Gender" in page.text
    assert "not known" in page.text
    assert page.text.count("eve@example.com") == 1, "and not again what the scope shows"
    page = await consent_of(visitor, eve, claims=asked, scope="openid email", ui_locales="de")
    assert "Einzelne Angaben Ihres Profils sehen" in page.text


async def test_what_was_allowed_is_remembered_and_more_is_asked_for(visitor: Visitor, eve: str) -> None:
    name, email = wish(userinfo={"name": None}), wish(id_token={"email": None}, userinfo={"name": None})
    assert granted(await visitor.submit(await consent_of(visitor, eve, claims=name), decision="allow"))
    assert granted(await visitor.authorize(SHOP.request(claims=name)))
    assert granted(await visitor.authorize(SHOP.request()))
    silent = await visitor.authorize(SHOP.request(claims=email, prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.error == "consent_required"
    assert granted(await visitor.submit(await consent_of(visitor, eve, claims=email), decision="allow"))
    assert granted(await visitor.authorize(SHOP.request(claims=name)))
    assert granted(await visitor.authorize(SHOP.request(claims=email, prompt="none")))


async def test_a_scope_allowed_before_covers_its_claims(visitor: Visitor, eve: str) -> None:
    assert granted(await visitor.submit(await consent_of(visitor, eve, scope="openid profile"), decision="allow"))
    assert granted(await visitor.authorize(SHOP.request(claims=wish(userinfo={"name": None}), prompt="none")))
    stop = await visitor.authorize(SHOP.request(claims=wish(userinfo={"email": None}), prompt="none"))
    assert isinstance(stop, Answer)
    assert stop.error == "consent_required"


async def test_the_account_page_names_them(visitor: Visitor, eve: str) -> None:
    asked = wish(userinfo={"name": None})
    assert granted(await visitor.submit(await consent_of(visitor, eve, claims=asked), decision="allow"))
    page = await visitor.open("/account")
    assert isinstance(page, Page)
    assert "See single entries of your profile: Name" in page.text


async def test_what_the_form_was_made_for_is_what_is_granted(provider: Provider, visitor: Visitor, eve: str) -> None:
    """CN-01: nothing beside the sealed field is read."""
    page = await consent_of(visitor, eve, claims=wish(userinfo={"name": None}))
    stop = await visitor.submit(page, decision="allow", claims=wish(userinfo={"email": None}))
    assert isinstance(stop, Answer)
    tokens = (await SHOP.redeem(provider.http, stop.code)).json()
    assert (await userinfo(provider.http, tokens["access_token"])).json().keys() == {"sub", "name"}


@pytest.mark.parametrize("place", ["id_token", "userinfo"])
async def test_a_sub_is_the_only_person_it_is_good_for(
    provider: Provider, visitor: Visitor, eve: str, place: str
) -> None:
    """OIDC Core 5.5.1: as if it were an id_token_hint."""
    await visitor.sign_on(OWN.request(), eve, PASSWORD)
    other = wish(**{place: {"sub": {"value": "bob"}}})
    silent = await visitor.authorize(OWN.request(claims=other, prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.error == "login_required"
    page = await visitor.authorize(OWN.request(claims=other))
    assert isinstance(page, Page)
    assert page.id == "login"
    wrong = await visitor.log_in(page, eve, PASSWORD)
    assert isinstance(wrong, Answer)
    assert wrong.error == "login_required"
    page = await visitor.authorize(OWN.request(claims=other))
    assert granted(await visitor.log_in(page, "bob"))
    assert granted(await visitor.authorize(OWN.request(claims=other, prompt="none")))
    several = wish(**{place: {"sub": {"values": ["alice", "bob"]}}})
    assert granted(await visitor.authorize(OWN.request(claims=several, prompt="none")))
    nobody = wish(id_token={"sub": {"value": "bob"}}, userinfo={"sub": {"value": "alice"}})
    stop = await visitor.authorize(OWN.request(claims=nobody, prompt="none"))
    assert isinstance(stop, Answer)
    assert stop.error == "login_required"


async def test_auth_time_is_always_told(provider: Provider, eve: str) -> None:
    tokens = await sign_in(provider, SHOP, eve, PASSWORD, claims=wish(id_token={"auth_time": {"essential": True}}))
    assert (await claims_of(provider.http, tokens["id_token"]))["auth_time"] == int(provider.clock())


async def test_claims_locales_is_taken_and_not_acted_on(provider: Provider, eve: str) -> None:
    asked = {"claims": wish(userinfo={"name": None}), "claims_locales": "de fr"}
    tokens = await sign_in(provider, SHOP, eve, PASSWORD, **asked)
    assert (await userinfo(provider.http, tokens["access_token"])).json()["name"] == DETAILS["name"]


async def test_updated_at_is_when_the_account_last_changed(provider: Provider) -> None:
    """OIDC Core 5.1: a number of seconds."""
    name = f"una-{uuid.uuid4().hex[:8]}"
    text = f'[[people]]\nusername = "{name}"\npassword = "{PASSWORD}"\nname = '
    await provider.apply(f'{text}"Una"')
    await provider.advance(3600)
    await provider.apply(f'{text}"Una Other"')
    changed = int(provider.clock())
    await provider.advance(60)
    tokens = await sign_in(provider, SHOP, name, PASSWORD, scope="openid profile")
    answer = (await userinfo(provider.http, tokens["access_token"])).json()
    assert answer["updated_at"] == changed
    assert isinstance(answer["updated_at"], int)


async def test_the_audit_says_what_was_asked_one_by_one(provider: Provider, eve: str) -> None:
    await sign_in(provider, SHOP, eve, PASSWORD, claims=wish(userinfo={"name": None}))
    newest = (await provider.control("audit.tail", limit=50))["events"]
    consents = [event["detail"] for event in newest if event["event"] == "consent.granted"]
    assert any(detail.get("claims") == "name" for detail in consents)


async def test_it_may_stand_in_a_pushed_or_a_signed_request(provider: Provider, visitor: Visitor, eve: str) -> None:
    """RFC 9126, RFC 9101: in an object it is an object."""
    signer = App("claims-signer", "https://signer.test/cb", "secret-of-signer-0123456789", members={"jwks": JWKS})
    await register(provider, signer)
    asked = {"userinfo": {"name": None}}
    for request in (
        await handle(provider, signer, claims=json.dumps(asked)),
        {"client_id": signer.client_id, "request": signed(provider, signer, claims=asked)},
    ):
        tokens = (await signer.redeem(provider.http, (await visitor.sign_on(request, eve, PASSWORD)).code)).json()
        assert (await userinfo(provider.http, tokens["access_token"])).json()["name"] == DETAILS["name"]

"""UserInfo (OIDC Core 5.1, 5.3, 5.4; RFC 6750): claims by scope, GET and POST, and what a refused token hears."""

from __future__ import annotations

from typing import Any

import pytest
from support import PASSWORD, WEB, App, Visitor, at_the_root, claims_of, discovery, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

FULL = App("full", "https://full.test/cb", "secret-of-full-0123456789", scope="openid profile email address phone plan")
# Every standard claim of OIDC Core 5.1 but updated_at, which the server keeps itself.
PERSON = f"""
[[scopes]]
name = "plan"
description = "See which plan you pay for"
claims = ["zoneinfo", "nickname"]

[[people]]
username = "zoe"
sub = "zoe-1"
password = "{PASSWORD}"
name = "Zoë Zähler"
given_name = "Zoë"
family_name = "Zähler"
middle_name = "M."
nickname = "zo"
preferred_username = "zoe.z"
profile = "https://people.test/zoe"
picture = "https://people.test/zoe.png"
website = "https://zoe.test/"
email = "zoe@example.com"
email_verified = false
gender = "female"
birthdate = "1990-04-01"
zoneinfo = "Europe/Berlin"
locale = "de-DE"
phone_number = "+49 30 1234567"
phone_number_verified = true
[people.address]
street_address = "Straße 1"
locality = "Berlin"
country = "DE"
"""
BY_SCOPE = {
    "openid": set[str](),
    "profile": {
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    },
    "email": {"email", "email_verified"},
    "address": {"address"},
    "phone": {"phone_number", "phone_number_verified"},
    "plan": {"zoneinfo", "nickname"},
}


@pytest.fixture(autouse=True, scope="module")
async def zoe(provider: Provider) -> None:
    await provider.apply(PERSON)
    await register(provider, FULL)


async def tokens_of(provider: Provider, scope: str) -> dict[str, Any]:
    return await sign_in(provider, FULL, "zoe", PASSWORD, scope=scope)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["userinfo_endpoint"] == f"{provider.issuer}/userinfo"
    assert BY_SCOPE["profile"] | BY_SCOPE["email"] | BY_SCOPE["phone"] <= set(document["claims_supported"])


@pytest.mark.parametrize("scope", BY_SCOPE)
async def test_each_scope_opens_its_claims(provider: Provider, scope: str) -> None:
    tokens = await tokens_of(provider, f"openid {scope}")
    answer = await userinfo(provider.http, tokens["access_token"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"sub"} | BY_SCOPE[scope]


async def test_the_values_are_the_persons(provider: Provider) -> None:
    tokens = await tokens_of(provider, "openid profile email address phone")
    claims = (await userinfo(provider.http, tokens["access_token"])).json()
    assert claims["sub"] == "zoe-1"
    assert claims["name"] == "Zoë Zähler"
    assert claims["email_verified"] is False
    assert claims["address"] == {"street_address": "Straße 1", "locality": "Berlin", "country": "DE"}


async def test_what_the_account_lacks_is_left_out(provider: Provider) -> None:
    tokens = await sign_in(provider, FULL, scope="openid profile phone address")
    claims = (await userinfo(provider.http, tokens["access_token"])).json()
    assert claims == {
        "sub": "alice",
        "name": "Alice Archer",
        "given_name": "Alice",
        "family_name": "Archer",
        "preferred_username": "alice",
        "updated_at": int(provider.clock()),
    }


async def test_updated_at_is_when_the_claims_changed_and_nothing_else(provider: Provider) -> None:
    """OIDC Core 5.1: whole Unix seconds. When a password changed, apps are not told."""
    someone = '[[people]]\nusername = "ute"\nname = "Ute {name}"\npassword = "{password}"'

    async def told() -> object:
        tokens = await sign_in(provider, FULL, "ute", PASSWORD, scope="openid profile")
        return (await userinfo(provider.http, tokens["access_token"])).json()["updated_at"]

    await provider.apply(someone.format(name="A", password=PASSWORD))
    made = int(provider.server.now())
    assert await told() == made
    await provider.advance(100)
    await provider.apply(someone.format(name="A", password="another-long-password"))
    await provider.control("user.passwd", username="ute", password=PASSWORD)
    assert await told() == made
    await provider.apply(someone.format(name="B", password=PASSWORD))
    assert await told() == int(provider.server.now()) == made + 100


async def test_the_subject_is_the_id_tokens(provider: Provider) -> None:
    tokens = await tokens_of(provider, "openid")
    claims = await claims_of(provider.http, tokens["id_token"])
    assert (await userinfo(provider.http, tokens["access_token"])).json() == {"sub": claims["sub"]}


async def test_a_change_shows_at_once(provider: Provider) -> None:
    tokens = await sign_in(provider, FULL, "bob", scope="openid email")
    await provider.apply('[[people]]\nusername = "bob"\nsub = "bob"\nemail = "new@example.com"')
    assert (await userinfo(provider.http, tokens["access_token"])).json()["email"] == "new@example.com"


async def test_post_by_header_and_by_form(provider: Provider) -> None:
    access = (await tokens_of(provider, "openid email"))["access_token"]
    header = {"authorization": f"Bearer {access}"}

    async def chunks() -> Any:
        yield f"access_token={access}".encode()

    form = {"content-type": "application/x-www-form-urlencoded"}
    answers = [
        await provider.http.post("/userinfo", headers=header),
        await provider.http.post("/userinfo", data={"access_token": access}),
        await provider.http.post("/userinfo", content=chunks(), headers=form),
        await provider.http.post("/userinfo", headers={"authorization": f"bearer {access}"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1


async def test_a_token_shown_twice_or_in_the_query(provider: Provider) -> None:
    access = (await tokens_of(provider, "openid"))["access_token"]
    header = {"authorization": f"Bearer {access}"}
    twice = await provider.http.post("/userinfo", headers=header, data={"access_token": access})
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    query = await provider.http.get("/userinfo", params={"access_token": access})
    assert query.status_code == 401


async def test_without_a_token_the_challenge_names_no_error(provider: Provider) -> None:
    """RFC 6750 3.1, RFC 9728 5.1."""
    pointer = f'resource_metadata="{at_the_root(provider.issuer)}"'
    for answer in (await provider.http.get("/userinfo"), await provider.http.post("/userinfo")):
        assert answer.status_code == 401
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith(f'Bearer realm="idp", {pointer}, DPoP algs="')
        assert "error" not in challenge


@pytest.mark.parametrize("change", ["junk", "cut", "longer", "id token", "basic", "two", "empty", "expired", "quoted"])
async def test_a_wrong_token_is_invalid_token(provider: Provider, change: str) -> None:
    tokens = await tokens_of(provider, "openid")
    good = tokens["access_token"]
    header = {
        "junk": "Bearer abc",
        "cut": f"Bearer {good[:-3]}",
        "longer": f"Bearer {good}A",
        "id token": f"Bearer {tokens['id_token']}",
        "basic": "Basic d2ViOndlYg==",
        "two": f"Bearer {good} {good}",
        "empty": "Bearer ",
        "expired": f"Bearer {good}",
        "quoted": f'Bearer "{good}"',
    }[change]
    if change == "expired":
        provider.clock.advance(300)
    answer = await provider.http.get("/userinfo", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_token"
    assert answer.headers["www-authenticate"].startswith(
        'Bearer realm="idp", error="invalid_token", error_description='
    )
    assert answer.headers["www-authenticate"].isascii()
    if change == "expired":
        assert "expired 0 s ago" in answer.headers["www-authenticate"]


async def test_a_token_without_openid_is_insufficient(provider: Provider) -> None:
    access = (await tokens_of(provider, "profile"))["access_token"]
    answer = await userinfo(provider.http, access)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


async def test_signing_out_ends_it(provider: Provider, visitor: Visitor) -> None:
    tokens = (await WEB.redeem(provider.http, (await visitor.sign_on(WEB.request())).code)).json()
    await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401


async def test_only_get_and_post(provider: Provider) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        answer = await provider.http.request(method, "/userinfo")
        assert answer.status_code == 405
        assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))

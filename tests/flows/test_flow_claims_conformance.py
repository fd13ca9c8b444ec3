"""What the conformance suite looks for in pages and claims, seen without it: the client's face, whole people."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from support import PASSWORD, App, Page, Visitor, claims_of, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

FACE = {
    "client_name": "Suite",
    "logo_uri": "https://suite.test/logo.png",
    "policy_uri": "https://suite.test/policy",
    "tos_uri": "https://suite.test/terms",
}
SUITE = App(
    "suite",
    "https://suite.test/cb",
    "secret-of-suite-0123456789",
    scope="openid profile email address phone",
    members=FACE,
)
STRANGER = App("stranger", "https://stranger.test/cb", "secret-of-stranger-0123456")
PERSON = f"""
[[people]]
username = "casey"
password = "{PASSWORD}"
name = "Casey Case"
given_name = "Casey"
family_name = "Case"
middle_name = "C."
nickname = "cc"
preferred_username = "casey.c"
profile = "https://people.test/casey"
picture = "https://people.test/casey.png"
website = "https://casey.test/"
gender = "other"
birthdate = "1990-04-01"
zoneinfo = "Europe/Berlin"
locale = "de-DE"
email = "casey@example.com"
email_verified = true
phone_number = "+49 30 1234567"
phone_number_verified = false
[people.address]
formatted = "Way 1, Berlin"
"""
# OIDC Core 5.4, with what each has to be (conformance: ValidateUserInfoStandardClaims).
PROFILE = {
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "preferred_username",
}
EVERY = {
    "profile": PROFILE,
    "email": {"email", "email_verified"},
    "address": {"address"},
    "phone": {"phone_number", "phone_number_verified"},
}
# What an ID token of the code flow may hold without being asked (EnsureIdTokenDoesNotContainNonRequestedClaims).
TOLERATED = {
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "nbf",
    "jti",
    "sid",
    "txn",
}


@pytest.fixture(autouse=True, scope="module")
async def inhabitants(provider: Provider) -> None:
    await provider.apply(PERSON)
    await register(provider, SUITE, STRANGER)


async def test_the_login_page_shows_the_clients_face(visitor: Visitor) -> None:
    """ExpectLoginPageWithLogo, -PolicyLink, -TosLink."""
    page = await visitor.authorize(SUITE.request())
    assert isinstance(page, Page)
    assert page.id == "login"
    assert f'<img class="emblem" src="{FACE["logo_uri"]}"' in page.text
    for link in ("policy_uri", "tos_uri"):
        assert f'<a href="{FACE[link]}"' in page.text
    assert "img-src 'self' https:" in page.headers["content-security-policy"], "and the browser may load it"


async def test_a_client_without_them_shows_none(visitor: Visitor) -> None:
    page = await visitor.authorize(STRANGER.request())
    assert isinstance(page, Page)
    assert '<img class="emblem"' not in page.text
    assert "policy" not in page.text.lower().replace("content-security-policy", "")


@pytest.mark.parametrize("scope", [*EVERY, "profile email address phone", ""])
async def test_each_scope_gives_every_claim_of_it_at_userinfo_and_none_in_the_id_token(
    provider: Provider, scope: str
) -> None:
    """VerifyScopesReturnedInUserInfoClaims; EnsureIdTokenDoesNotContainName and ...EmailForScopeEmail."""
    tokens = await sign_in(provider, SUITE, "casey", PASSWORD, scope=f"openid {scope}".strip())
    told = (await userinfo(provider.http, tokens["access_token"])).json()
    assert told.keys() == {"sub"}.union(*(EVERY[word] for word in scope.split()))
    inside = await claims_of(provider.http, tokens["id_token"])
    assert inside.keys() <= TOLERATED
    assert inside["sub"] == told["sub"]


async def test_every_standard_claim_is_of_its_kind(provider: Provider) -> None:
    tokens = await sign_in(provider, SUITE, "casey", PASSWORD, scope="openid profile email address phone")
    told: dict[str, Any] = (await userinfo(provider.http, tokens["access_token"])).json()
    for name, value in told.items():
        if name.endswith("_verified"):
            assert isinstance(value, bool)
        elif name == "address":
            assert value
            assert isinstance(value, dict)
        elif name == "updated_at":
            assert isinstance(value, int)
            assert 631_152_000 < value <= provider.clock()
        else:
            assert isinstance(value, str)
            assert value not in ("", "null")
    assert datetime.date.fromisoformat(told["birthdate"]).year > 1850


async def test_an_acr_of_discovery_is_given_back(provider: Provider) -> None:
    """ValidateIdTokenACRClaimAgainstAcrValuesRequest, -AgainstRequest."""
    announced = (await provider.http.get("/.well-known/openid-configuration")).json()["acr_values_supported"]
    assert announced
    for asked in ({"acr_values": " ".join(announced)}, {"claims": _essential(announced)}):
        tokens = await sign_in(provider, SUITE, "casey", PASSWORD, **asked)
        assert (await claims_of(provider.http, tokens["id_token"]))["acr"] in announced


def _essential(values: list[str]) -> str:
    return '{"id_token": {"acr": {"values": ["' + '","'.join(values) + '"], "essential": true}}}'

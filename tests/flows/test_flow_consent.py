"""Consent (OIDC Core 3.1.2.4): who asks, for what, where it is sent; allowed, denied, remembered, grown."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from support import PASSWORD, Answer, App, Page, Visitor, add_person, discovery, granted, register, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789",
    scope="openid profile email phone offline_access orders:read",
    members={
        "client_name": "Corner shop",
        "client_uri": "https://shop.test/",
        "policy_uri": "https://shop.test/privacy",
        "tos_uri": "https://shop.test/terms",
        "resources": ["https://orders.test"],
    },
)
TRUSTED = App("own", "https://own.test/cb", "secret-of-own-0123456789", members={"consent": "skip"})
NATIVE = App("phone", "com.example.app:/cb", method="none", members={"application_type": "native"})
CATALOGUE = """
[[scopes]]
name = "orders:read"
description = "See your orders"
[[resources]]
uri = "https://orders.test"
name = "Order service"
scopes = ["orders:read"]
"""


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(CATALOGUE)
    await register(provider, SHOP, TRUSTED, NATIVE)


@pytest.fixture
async def eve(provider: Provider) -> str:
    """A person nobody has asked yet."""
    name = f"eve-{uuid.uuid4().hex[:8]}"
    await add_person(provider, name, name="Eve Example", email="eve@example.com", phone_number="+49 30 1234567")
    return name


def page(stop: Page | Answer, name: str) -> Page:
    assert isinstance(stop, Page), stop
    assert stop.id == name
    return stop


async def asked(visitor: Visitor, app: App, person: str, **changes: str) -> Page:
    """Sign in as far as the consent page."""
    return page(await visitor.log_in(await visitor.authorize(app.request(**changes)), person, PASSWORD), "consent")


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert "consent" in document["prompt_values_supported"]
    assert {"openid", "profile", "email", "orders:read"} <= set(document["scopes_supported"])


async def test_the_page_says_who_what_and_where(visitor: Visitor, eve: str) -> None:
    stop = await asked(visitor, SHOP, eve, scope="openid email phone orders:read", resource="https://orders.test")
    for words in (
        "Corner shop",
        "Eve Example",
        "eve@example.com",
        "+49 30 1234567",
        "See your orders",
        "Order service",
    ):
        assert words in stop.text, words
    assert "shop.test" in stop.text
    for link in ("https://shop.test/privacy", "https://shop.test/terms"):
        assert f'href="{link}"' in stop.text
    assert "birthdate" not in stop.text


async def test_allowed_gives_exactly_what_was_shown(provider: Provider, visitor: Visitor, eve: str) -> None:
    stop = await asked(visitor, SHOP, eve, scope="openid email")
    answer = await visitor.submit(stop, decision="allow", scope="openid email phone")
    assert isinstance(answer, Answer)
    tokens = (await SHOP.redeem(provider.http, answer.code)).json()
    assert tokens["scope"] == "openid email"
    assert (await userinfo(provider.http, tokens["access_token"])).json().keys() == {"sub", "email"}


async def test_denied_is_access_denied_and_nothing_is_remembered(
    provider: Provider, visitor: Visitor, eve: str
) -> None:
    stop = await asked(visitor, SHOP, eve)
    answer = await visitor.submit(stop, decision="deny")
    assert isinstance(answer, Answer)
    assert (answer.to, answer.error) == (SHOP.redirect_uri, "access_denied")
    assert answer.members["state"] == "state-of-the-app"
    assert answer.members["iss"] == provider.issuer
    assert "code" not in answer.members
    page(await visitor.authorize(SHOP.request()), "consent")


async def test_denied_later_takes_nothing_back(visitor: Visitor, eve: str) -> None:
    await visitor.submit(await asked(visitor, SHOP, eve), decision="allow")
    stop = page(await visitor.authorize(SHOP.request(scope="openid email")), "consent")
    await visitor.submit(stop, decision="deny")
    assert granted(await visitor.authorize(SHOP.request()))


async def test_no_decision_is_no_consent(visitor: Visitor, eve: str) -> None:
    stop = await asked(visitor, SHOP, eve)
    for fields in ({}, {"decision": "ALLOW"}, {"decision": "yes"}):
        assert page(await visitor.submit(stop, **fields), "error").status == 400
    assert granted(await visitor.submit(stop, decision="allow"))


async def test_remembered_consent_is_silent(provider: Provider, visitor: Visitor, eve: str) -> None:
    await visitor.submit(await asked(visitor, SHOP, eve, scope="openid email profile"), decision="allow")
    for scope in ("openid email profile", "openid", "openid email"):
        assert granted(await visitor.authorize(SHOP.request(scope=scope)))
    another_browser = Visitor(provider)
    stop = await another_browser.log_in(await another_browser.authorize(SHOP.request()), eve, PASSWORD)
    assert granted(stop)


async def test_grown_scope_asks_and_then_covers_both(visitor: Visitor, eve: str) -> None:
    await visitor.submit(await asked(visitor, SHOP, eve, scope="openid email"), decision="allow")
    stop = page(await visitor.authorize(SHOP.request(scope="openid phone")), "consent")
    await visitor.submit(stop, decision="allow")
    assert granted(await visitor.authorize(SHOP.request(scope="openid email phone")))


async def test_a_new_resource_asks(visitor: Visitor, eve: str) -> None:
    await visitor.submit(await asked(visitor, SHOP, eve), decision="allow")
    stop = page(await visitor.authorize(SHOP.request(resource="https://orders.test")), "consent")
    await visitor.submit(stop, decision="allow")
    assert granted(await visitor.authorize(SHOP.request(resource="https://orders.test")))


async def test_consents_given_in_two_tabs_at_once_are_both_remembered(visitor: Visitor, eve: str) -> None:
    first = await asked(visitor, SHOP, eve, scope="openid email")
    second = page(await visitor.authorize(SHOP.request(scope="openid phone")), "consent")
    answers = await asyncio.gather(*(visitor.submit(stop, decision="allow") for stop in (first, second)))
    assert all(granted(answer) for answer in answers)
    assert granted(await visitor.authorize(SHOP.request(scope="openid email phone")))


async def test_one_persons_yes_is_not_anothers(provider: Provider, visitor: Visitor, eve: str) -> None:
    await visitor.submit(await asked(visitor, SHOP, eve), decision="allow")
    other = f"{eve}-twin"
    await add_person(provider, other)
    await asked(Visitor(provider), SHOP, other)


async def test_an_app_that_cannot_prove_itself_asks_every_time(visitor: Visitor, eve: str) -> None:
    """RFC 8252 8.6: another program on the device could use this client_id."""
    await visitor.submit(await asked(visitor, NATIVE, eve), decision="allow")
    page(await visitor.authorize(NATIVE.request()), "consent")


async def test_the_operators_own_app_is_not_asked_about(visitor: Visitor, eve: str) -> None:
    stop = await visitor.log_in(await visitor.authorize(TRUSTED.request(scope="openid profile")), eve, PASSWORD)
    assert granted(stop)
    page(await visitor.authorize(TRUSTED.request(prompt="consent")), "consent")


async def test_offline_access_is_never_silent(visitor: Visitor, eve: str) -> None:
    """OIDC Core 11: a lasting right needs the person's word."""
    await visitor.submit(await asked(visitor, SHOP, eve), decision="allow")
    silent = await visitor.authorize(SHOP.request(scope="openid offline_access", prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.error == "consent_required"


async def test_decisions_are_in_the_audit(provider: Provider, visitor: Visitor, eve: str) -> None:
    await visitor.submit(await asked(visitor, SHOP, eve), decision="deny")
    stop = page(await visitor.authorize(SHOP.request()), "consent")
    await visitor.submit(stop, decision="allow")
    events = (await provider.control("audit.tail"))["events"]
    assert [line["event"] for line in events if line["event"].startswith(("consent.", "authorization."))][-3:] == [
        "consent.denied",
        "consent.granted",
        "authorization.granted",
    ]

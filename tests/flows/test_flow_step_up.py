"""How strong a sign-in has to be: acr_values, essential acr (OIDC Core 5.5.1.1), step-up at a resource (RFC 9470)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import WEB, Answer, App, Page, Visitor, claims_of, discovery, granted, register, sign_in

from idp.protocol.acr import SIGN_IN, AcrRequest, Levels
from idp.testing import Provider
from idp.verify import Refused, Verifier

pytestmark = pytest.mark.anyio

LOW, HIGH = "urn:test:low", "urn:test:high"
LEVELS = {"pwd": LOW, "pwd otp": HIGH}
PREFERS = App(
    "prefers",
    "https://prefers.test/cb",
    "secret-of-prefers-0123456789",
    members={"default_acr_values": [HIGH, LOW], "consent": "skip"},
)
OWN = App("own-acr", "https://own.test/cb", "secret-of-own-0123456789", members={"consent": "skip"})


@pytest.fixture(scope="module")
async def leveled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    """Two levels, of which a password reaches the lower."""
    async with Provider(data_dir=tmp_path_factory.mktemp("levels"), acr=LEVELS) as provider:
        await register(provider, WEB, PREFERS, OWN)
        yield provider


@pytest.fixture
async def browser(leveled: Provider) -> AsyncIterator[Visitor]:
    visitor = Visitor(leveled)
    yield visitor
    await visitor.aclose()


def essential(*values: str, **more: object) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values), **more}}})


async def test_is_announced_in_discovery(leveled: Provider, provider: Provider) -> None:
    """What a sign-in reaches, not what the table could say."""
    assert (await discovery(leveled.http))["acr_values_supported"] == [LOW]
    assert (await discovery(provider.http))["acr_values_supported"] == ["urn:idp:acr:pwd"]
    assert "acr" in (await discovery(provider.http))["claims_supported"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"acr_values": LOW},
        {"acr_values": f"{HIGH} {LOW}"},
        {"acr_values": "1 2"},
        {"acr_values": HIGH},
        {"acr_values": f"{LOW} {HIGH}", "max_age": "300"},
        {"claims": essential(LOW)},
        {"claims": essential(HIGH, LOW)},
        {"claims": essential()},
        {"claims": json.dumps({"id_token": {"acr": {"essential": True, "value": LOW}}})},
        {"claims": json.dumps({"id_token": {"acr": {"values": [HIGH]}}})},
        {"claims": json.dumps({"id_token": {"acr": None}})},
        {"claims": json.dumps({"userinfo": {"acr": {"essential": True, "value": HIGH}}})},
    ],
    ids=str,
)
async def test_a_sign_in_tells_the_level_it_earned(leveled: Provider, asked: dict[str, str]) -> None:
    tokens = await sign_in(leveled, OWN, **asked, scope="openid offline_access")
    refreshed = (await OWN.refresh(leveled.http, tokens["refresh_token"])).json()
    for answer in (tokens, refreshed):
        for name in ("id_token", "access_token"):
            claims = await claims_of(leveled.http, answer[name])
            assert claims["acr"] == LOW
            assert claims["auth_time"] == int(leveled.clock())
    shown = await OWN.introspect(leveled.http, tokens["access_token"])
    assert (shown["acr"], shown["auth_time"]) == (LOW, int(leveled.clock()))


@pytest.mark.parametrize(
    "asked",
    [
        {"claims": essential(HIGH)},
        {"claims": essential(HIGH, "urn:nobody")},
        {"claims": essential(HIGH), "acr_values": LOW},
        {"claims": essential(HIGH), "prompt": "none"},
        {"claims": essential(HIGH), "prompt": "login"},
        {"acr_values": HIGH, "max_age": "300"},
        {"acr_values": "urn:nobody", "max_age": "0"},
    ],
    ids=str,
)
@pytest.mark.parametrize("signed_in", [False, True])
async def test_what_no_sign_in_reaches_is_refused_before_anybody_signs_in(
    browser: Visitor, asked: dict[str, str], signed_in: bool
) -> None:
    if signed_in:
        await browser.sign_on(OWN.request())
    stop = await browser.authorize(OWN.request(**asked))
    assert isinstance(stop, Answer)
    assert stop.error == "unmet_authentication_requirements"
    assert stop.members["state"]


async def test_what_a_client_prefers_by_default(leveled: Provider) -> None:
    tokens = await sign_in(leveled, PREFERS)
    assert (await claims_of(leveled.http, tokens["id_token"]))["acr"] == LOW
    assert (await leveled.server.client("prefers")).default_acr_values == (HIGH, LOW)  # type: ignore[union-attr]


async def test_a_default_max_age_does_not_make_a_preference_necessary(leveled: Provider) -> None:
    aged = App(
        "aged",
        "https://aged.test/cb",
        "secret-of-aged-0123456789",
        members={"default_max_age": 600, "default_acr_values": [HIGH], "consent": "skip"},
    )
    await register(leveled, aged)
    assert "id_token" in await sign_in(leveled, aged)
    assert "id_token" in await sign_in(leveled, aged, acr_values=HIGH)
    assert "id_token" in await sign_in(leveled, aged, max_age="600")


async def test_a_session_that_no_longer_counts_signs_in_again(tmp_path: Path) -> None:
    """The operator's table changed under it: a sign-in by another method, and then what a password earns."""
    async with Provider(data_dir=tmp_path, acr=LEVELS) as provider:
        await register(provider, OWN)
        visitor = Visitor(provider)
        await visitor.sign_on(OWN.request())
        # As a method would leave it that the table does not know.
        provider.server.database.write_now(forget_methods)
        for asked in ({"claims": essential(LOW)}, {"acr_values": LOW}, {"acr_values": LOW, "max_age": "900"}):
            page = await visitor.authorize(OWN.request(**asked))
            assert isinstance(page, Page), asked
            assert page.id == "login"
            silent = await visitor.authorize(OWN.request(**asked, prompt="none"))
            assert isinstance(silent, Answer)
            if "acr_values" in asked and "max_age" not in asked:
                assert granted(silent), "only preferred: no reason to fail"
            else:
                assert silent.error == "login_required"
        answer = await visitor.log_in(page)
        assert isinstance(answer, Answer)
        tokens = (await OWN.redeem(provider.http, answer.code)).json()
        assert (await claims_of(provider.http, tokens["id_token"]))["acr"] == LOW
        assert granted(await visitor.authorize(OWN.request(claims=essential(LOW), prompt="none")))
        await visitor.aclose()


def forget_methods(connection: object) -> None:
    connection.exec_driver_sql("UPDATE sessions SET amr = 'other'")  # type: ignore[attr-defined]


async def test_step_up_at_a_resource_from_refusal_to_access(leveled: Provider, browser: Visitor) -> None:
    """RFC 9470: the resource refuses, the client takes the words into its next request, the resource is content."""
    keys = (await leveled.http.get("/.well-known/jwks.json")).json()
    resource = Verifier(leveled.issuer, leveled.issuer, jwks=keys, clock=leveled.clock, leeway=0)
    old = (await OWN.redeem(leveled.http, (await browser.sign_on(OWN.request())).code)).json()
    await leveled.advance(120)
    again = (await OWN.redeem(leveled.http, (await browser.sign_on(OWN.request())).code)).json()
    with pytest.raises(Refused) as refused:
        await resource.verify(again["access_token"], max_age=60, acr_values=(LOW,))
    challenge = refused.value.www_authenticate()
    assert refused.value.status == 401
    assert 'error="insufficient_user_authentication"' in challenge
    asked = {"max_age": str(int(refused.value.max_age or 0)), "acr_values": " ".join(refused.value.acr_values)}
    assert asked == {"max_age": "60", "acr_values": LOW}
    page = await browser.authorize(OWN.request(**asked))
    answer = await browser.log_in(page)
    assert isinstance(answer, Answer)
    fresh = (await OWN.redeem(leveled.http, answer.code)).json()
    verified = await resource.verify(fresh["access_token"], max_age=60, acr_values=(LOW,))
    assert verified.claims["auth_time"] == int(leveled.clock())
    with pytest.raises(Refused):
        await resource.verify(old["access_token"], max_age=60)


STRONG = Levels.of({"pwd": "a", "hwk": "b", "pwd otp": "b", "pwd hwk": "c"})


@pytest.mark.parametrize(
    ("amr", "met", "asked", "told"),
    [
        ((), (), (), None),
        (("pwd",), ("a",), (), "a"),
        (("pwd",), ("a",), ("b", "a"), "a"),
        (("hwk",), ("a", "b"), (), "b"),
        (("hwk",), ("a", "b"), ("a",), "a"),
        (("otp", "pwd"), ("a", "b", "b"), ("c",), "b"),
        (("otp",), (), ("a",), None),
        (("hwk", "pwd", "user"), ("a", "b", "b", "c"), ("x", "b"), "b"),
    ],
)
def test_the_stronger_count_for_the_weaker(
    amr: tuple[str, ...], met: tuple[str, ...], asked: tuple[str, ...], told: str | None
) -> None:
    assert STRONG.met_by(amr) == met
    assert STRONG.told(amr, asked) == told
    assert AcrRequest(("a",), True, STRONG).met_by(amr) is ("a" in met)


def test_a_fresh_sign_in_proves_what_the_page_asks_for() -> None:
    assert SIGN_IN == ("pwd",)

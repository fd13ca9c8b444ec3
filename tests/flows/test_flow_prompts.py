"""prompt, max_age, hints and languages of an authorization request (OIDC Core 3.1.2.1, 3.1.2.3, 3.1.2.6)."""

from __future__ import annotations

from typing import Any

import pytest
from support import SPA, WEB, Answer, App, Page, Visitor, claims_of, discovery, granted, register, sign_in

from idp.testing import Provider

pytestmark = pytest.mark.anyio

STRICT = App("strict", "https://strict.test/cb", "secret-of-strict-0123456789", members={"default_max_age": 60})


async def signed(provider: Provider, answer: Page | Answer, app: App = WEB) -> dict[str, Any]:
    """The ID token's claims that an answer buys."""
    assert isinstance(answer, Answer), answer
    tokens = (await app.redeem(provider.http, answer.code)).json()
    return await claims_of(provider.http, tokens["id_token"])


def page(stop: Page | Answer, name: str) -> Page:
    assert isinstance(stop, Page), stop
    assert stop.id == name
    return stop


def error(stop: Page | Answer) -> str | None:
    assert isinstance(stop, Answer), stop
    assert "code" not in stop.members
    return stop.error


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["prompt_values_supported"] == ["none", "login", "consent", "select_account"]
    assert document["ui_locales_supported"] == ["en", "de"]
    assert document["display_values_supported"] == ["page"]


# -- prompt=none


async def test_none_without_a_session_is_login_required(visitor: Visitor) -> None:
    assert error(await visitor.authorize(WEB.request(prompt="none"))) == "login_required"


async def test_none_without_consent_is_consent_required(provider: Provider, visitor: Visitor) -> None:
    fresh = App("fresh", "https://fresh.test/cb", "secret-of-fresh-0123456789")
    await register(provider, fresh)
    await visitor.sign_on(WEB.request())
    assert error(await visitor.authorize(fresh.request(prompt="none"))) == "consent_required"


async def test_none_is_silent_once_signed_in_and_allowed(provider: Provider, visitor: Visitor) -> None:
    first = await signed(provider, await visitor.sign_on(WEB.request()))
    provider.clock.advance(30)
    again = await signed(provider, await visitor.authorize(WEB.request(prompt="none")))
    assert (again["sub"], again["auth_time"]) == (first["sub"], first["auth_time"])
    assert again["sid"] == first["sid"]


async def test_none_for_more_than_was_allowed_is_consent_required(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    assert error(await visitor.authorize(WEB.request(prompt="none", scope="openid email"))) == "consent_required"


async def test_none_after_the_session_went_idle_is_login_required(provider: Provider, visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    provider.clock.advance(7 * 86_400 + 1)
    assert error(await visitor.authorize(WEB.request(prompt="none"))) == "login_required"


async def test_a_session_in_use_lives_its_thirty_days_and_no_longer(provider: Provider, visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    for _ in range(5):
        provider.clock.advance(5.9 * 86_400)
        assert granted(await visitor.authorize(WEB.request(prompt="none")))
    provider.clock.advance(0.6 * 86_400)
    assert error(await visitor.authorize(WEB.request(prompt="none"))) == "login_required"


@pytest.mark.parametrize("prompt", ["none login", "none consent", "create", "login magic"])
async def test_impossible_prompts_are_refused(visitor: Visitor, prompt: str) -> None:
    assert error(await visitor.authorize(WEB.request(prompt=prompt))) == "invalid_request"


# -- prompt=login, consent, select_account


async def test_login_asks_for_the_password_again(provider: Provider, visitor: Visitor) -> None:
    first = await signed(provider, await visitor.sign_on(WEB.request()))
    provider.clock.advance(50)
    stop = page(await visitor.authorize(WEB.request(prompt="login")), "login")
    assert page(await visitor.log_in(stop, password="wrong"), "login").status == 401
    again = await signed(provider, await visitor.log_in(stop))
    assert again["auth_time"] == first["auth_time"] + 50
    assert again["sid"] == first["sid"], "the same person goes on in the same session"


async def test_login_and_consent_together_show_both(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    stop = page(await visitor.authorize(WEB.request(prompt="login consent")), "login")
    stop = page(await visitor.log_in(stop), "consent")
    assert granted(await visitor.submit(stop, decision="allow"))


async def test_a_login_page_cannot_be_walked_around(visitor: Visitor) -> None:
    """Coming home without having answered the page asks again."""
    await visitor.sign_on(WEB.request())
    stop = page(await visitor.authorize(WEB.request(prompt="login")), "login")
    token = stop.url.partition("?")[2]
    page(await visitor.open(f"/authorize/resume?{token}"), "login")
    page(await visitor.open(f"/consent?{token}"), "login")


async def test_consent_asks_even_where_it_was_remembered(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    stop = page(await visitor.authorize(WEB.request(prompt="consent")), "consent")
    assert granted(await visitor.submit(stop, decision="allow"))
    assert granted(await visitor.authorize(WEB.request()))


async def test_select_account_goes_on_with_this_one(provider: Provider, visitor: Visitor) -> None:
    first = await signed(provider, await visitor.sign_on(WEB.request()))
    stop = page(await visitor.authorize(WEB.request(prompt="select_account")), "select-account")
    assert "Alice Archer" in stop.text
    again = await signed(provider, await visitor.submit(stop, choice="current"))
    assert again["sub"] == first["sub"] == "alice"


async def test_select_account_changes_to_another(provider: Provider, visitor: Visitor) -> None:
    alice = await signed(provider, await visitor.sign_on(WEB.request(scope="openid")))
    stop = page(await visitor.authorize(WEB.request(prompt="select_account")), "select-account")
    stop = page(await visitor.submit(stop, choice="another"), "login")
    stop = await visitor.log_in(stop, "bob")
    if isinstance(stop, Page):
        stop = await visitor.submit(stop, decision="allow")
    bob = await signed(provider, stop)
    assert bob["sub"] == "bob"
    assert bob["sid"] != alice["sid"]
    # One account a browser: alice's session there is over.
    assert (await signed(provider, await visitor.authorize(WEB.request(prompt="none"))))["sub"] == "bob"


async def test_select_account_with_nobody_signed_in_is_a_login(visitor: Visitor) -> None:
    stop = page(await visitor.authorize(WEB.request(prompt="select_account")), "login")
    assert not (isinstance(stop := await visitor.log_in(stop), Page) and stop.id == "select-account")


# -- max_age


async def test_max_age_is_met_by_a_fresh_sign_in(provider: Provider, visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    provider.clock.advance(99)
    assert granted(await visitor.authorize(WEB.request(max_age="100")))
    provider.clock.advance(1)
    stop = page(await visitor.authorize(WEB.request(max_age="100")), "login")
    claims = await signed(provider, await visitor.log_in(stop))
    assert claims["auth_time"] == int(provider.clock())


async def test_max_age_zero_always_asks(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    stop = page(await visitor.authorize(WEB.request(max_age="0")), "login")
    assert granted(await visitor.log_in(stop))
    page(await visitor.authorize(WEB.request(max_age="0")), "login")


async def test_max_age_with_none_is_login_required(provider: Provider, visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    provider.clock.advance(11)
    assert error(await visitor.authorize(WEB.request(max_age="10", prompt="none"))) == "login_required"
    assert granted(await visitor.authorize(WEB.request(max_age="12", prompt="none")))


async def test_default_max_age_of_the_app_counts_where_none_is_sent(provider: Provider, visitor: Visitor) -> None:
    await register(provider, STRICT)
    await visitor.sign_on(STRICT.request())
    provider.clock.advance(61)
    page(await visitor.authorize(STRICT.request()), "login")
    assert granted(await visitor.authorize(STRICT.request(max_age="90")))


# -- hints


async def test_login_hint_fills_in_the_name(visitor: Visitor) -> None:
    stop = page(await visitor.authorize(WEB.request(login_hint='al"ice@example.com')), "login")
    assert stop.inputs["username"] == 'al"ice@example.com'


async def test_id_token_hint_of_the_signed_in_person_is_silent(provider: Provider, visitor: Visitor) -> None:
    tokens = (await WEB.redeem(provider.http, (await visitor.sign_on(WEB.request())).code)).json()
    provider.clock.advance(3600)  # a hint works long after it expired
    request = WEB.request(prompt="none", id_token_hint=tokens["id_token"])
    assert granted(await visitor.authorize(request))


async def test_id_token_hint_of_another_person(provider: Provider, visitor: Visitor) -> None:
    bobs = (await sign_in(provider, WEB, "bob"))["id_token"]
    await visitor.sign_on(WEB.request())
    assert error(await visitor.authorize(WEB.request(prompt="none", id_token_hint=bobs))) == "login_required"

    stop = page(await visitor.authorize(WEB.request(id_token_hint=bobs)), "login")
    assert error(await visitor.log_in(stop, "alice")) == "login_required", "who is wanted did not come"

    stop = page(await visitor.authorize(WEB.request(id_token_hint=bobs)), "login")
    assert (await signed(provider, await visitor.log_in(stop, "bob")))["sub"] == "bob"


async def test_what_is_no_id_token_of_this_app_is_no_hint(provider: Provider, visitor: Visitor) -> None:
    tokens = await sign_in(provider, WEB)
    elsewhere = await sign_in(provider, SPA)
    await visitor.sign_on(WEB.request())
    for hint in (tokens["access_token"], elsewhere["id_token"], tokens["id_token"][:-4] + "AAAA", "e30.e30.e30"):
        assert error(await visitor.authorize(WEB.request(prompt="none", id_token_hint=hint))) == "login_required"
        # Without none it is only a hint: nothing is lost by leaving it aside.
        assert granted(await visitor.authorize(WEB.request(id_token_hint=hint)))


# -- languages


@pytest.mark.parametrize(
    ("ui_locales", "accept_language", "lang"),
    [
        (None, "en", "en"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("de", "en", "de"),
        ("fr de", "en", "de"),
        ("en", "de", "en"),
        ("de-CH", "en", "de"),
        ("fr", "de", "de"),
        ("x" * 80, "de", "de"),
        (None, "ja", "en"),
    ],
)
async def test_the_page_speaks_the_asked_language(
    provider: Provider, ui_locales: str | None, accept_language: str, lang: str
) -> None:
    visitor = Visitor(provider, accept_language=accept_language)
    changes = {} if ui_locales is None else {"ui_locales": ui_locales}
    stop = page(await visitor.authorize(WEB.request(**changes)), "login")
    assert stop.lang == lang
    assert ("Anmelden" if lang == "de" else "Sign in") in stop.text


async def test_german_holds_through_login_consent_selection_and_errors(provider: Provider, visitor: Visitor) -> None:
    german = {"ui_locales": "de", "prompt": "consent"}
    stop = page(await visitor.authorize(WEB.request(**german)), "login")
    wrong = page(await visitor.log_in(stop, password="wrong"), "login")
    consent = page(await visitor.log_in(stop), "consent")
    choose = page(await visitor.authorize(WEB.request(ui_locales="de", prompt="select_account")), "select-account")
    mistake = page(await visitor.authorize(WEB.request(ui_locales="de", redirect_uri="https://x.test")), "error")
    assert [stop.lang for stop in (wrong, consent, choose, mistake)] == ["de"] * 4
    assert "Zulassen" in consent.text
    assert "Konto" in choose.text

"""The account page against others: their ids, their sites, their names; and people who are out meanwhile."""

from __future__ import annotations

import html
import re

import pytest
from account_support import apps, at_home, change, page, press, references
from support import PASSWORD, WEB, App, Page, Visitor, add_person, register, sign_in, userinfo

from idp.store import accounts
from idp.testing import Provider

pytestmark = pytest.mark.anyio
FORMS = {
    "password": {
        "current_password": PASSWORD,
        "new_password": "four quiet lanterns",
        "repeat_password": "four quiet lanterns",
    },
    "sessions": {"end": "all"},
    "apps": {"client": "web"},
}
HOSTILE = "\"><svg/onload=1>'{{7*7}}<script>alert(1)</script>"


@pytest.fixture
async def person(provider: Provider) -> str:
    count = len((await provider.control("user.list"))["people"])
    await add_person(provider, f"person{count}")
    return f"person{count}"


async def unchanged(provider: Provider, visitor: Visitor, tokens: dict[str, str]) -> None:
    """Neither session, nor access, nor password moved."""
    shown = page(await visitor.open("/account"))
    assert "web" in apps(shown)
    assert "account-done" not in shown.text or "Nothing was changed" in shown.text
    told = await userinfo(provider.http, tokens["access_token"])
    assert told.status_code == 200
    events = (await provider.control("audit.tail", limit=200))["events"]
    mine = {event["event"] for event in events if event["account_id"] == told.json()["sub"]}
    assert not mine & {"account.changed", "consent.withdrawn"}


# -- other people's ids


async def test_another_persons_session_is_as_unknown_as_an_invented_one(provider: Provider, person: str) -> None:
    await add_person(provider, f"{person}-other")
    theirs, there = await at_home(provider, f"{person}-other")
    visitor, shown = await at_home(provider, person)
    answers = []
    for reference in (references(there)[0], "0" * 32, "", "../" * 300):
        refused = page(await press(visitor, shown, "sessions", session=reference), "error")
        assert refused.status == 404
        answers.append(_same(refused))
    assert len(set(answers)) == 1
    page(await theirs.open("/account"))
    page(await visitor.open("/account"))


async def test_an_app_somebody_else_allowed_is_as_unknown_as_an_invented_one(provider: Provider, person: str) -> None:
    await add_person(provider, f"{person}-other")
    tokens = await sign_in(provider, WEB, f"{person}-other", PASSWORD, scope="openid offline_access")
    visitor, shown = await at_home(provider, person)
    answers = []
    for client_id in ("web", "sample", "no-such-app", "", "x" * 3000):
        refused = page(await press(visitor, shown, "apps", client=client_id), "error")
        assert refused.status == 404
        answers.append(_same(refused))
    assert len(set(answers)) == 1
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 200
    assert "refresh_token" in (await WEB.refresh(provider.http, tokens["refresh_token"])).json()


async def test_all_of_mine_is_none_of_yours(provider: Provider, person: str) -> None:
    await add_person(provider, f"{person}-other")
    theirs, _ = await at_home(provider, f"{person}-other")
    tokens = await sign_in(provider, WEB, f"{person}-other", PASSWORD)
    visitor, shown = await at_home(provider, person)
    shown = page(await press(visitor, shown, "sessions", end="others"))
    shown = await change(visitor, shown, "four quiet lanterns")
    page(await press(visitor, shown, "sessions", end="all"), "logged-out")
    page(await theirs.open("/account"))
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 200


# -- other sites (CS-01, CS-07, CS-08)


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_of_another_site_changes_nothing(provider: Provider, person: str, form: str) -> None:
    tokens = await sign_in(provider, WEB, person, PASSWORD)
    visitor, shown = await at_home(provider, person)
    await add_person(provider, f"{person}-mallory")
    mallory, hers = await at_home(provider, f"{person}-mallory")
    login = page(await Visitor(provider).open("/account"), "login")
    fields = FORMS[form]
    for headers in ({"origin": "https://evil.test"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        refused = page(await visitor.post(f"/account/{form}", {"t": shown.fields["t"], **fields}, **headers), "error")
        assert refused.status == 403
    altered = shown.fields["t"][:-2] + ("AA" if not shown.fields["t"].endswith("AA") else "BB")
    for field in ({}, {"t": "x"}, {"t": altered}, {"t": login.fields["t"]}):
        refused = page(await visitor.post(f"/account/{form}", {**field, **fields}, origin=visitor.origin), "error")
        assert refused.status == 403
    # Mallory's own field, sent with this person's cookie: back to the page, nothing done.
    stop = page(await visitor.post(f"/account/{form}", {"t": hers.fields["t"], **fields}, origin=visitor.origin))
    assert "Nothing was changed." in stop.text
    await unchanged(provider, visitor, tokens)
    page(await mallory.open("/account"))


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_of_the_person_before_is_nobodys(provider: Provider, person: str, form: str) -> None:
    """SE-07: alice's page, then bob signs in at the same browser, then her button is pressed."""
    await add_person(provider, f"{person}-bob")
    visitor, hers = await at_home(provider, person)
    tokens = await sign_in(provider, WEB, f"{person}-bob", PASSWORD)
    stop = page(await visitor.authorize(WEB.request(prompt="login")), "login")
    await visitor.log_in(stop, f"{person}-bob", PASSWORD)
    stop = page(await press(visitor, hers, form, **FORMS[form]))
    assert "Nothing was changed." in stop.text
    await unchanged(provider, visitor, tokens)


async def test_nobody_can_make_the_page_say_something(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    done = page(await press(visitor, shown, "sessions", end="others"))
    assert "account-done" in done.text
    other, _ = await at_home(provider, person)
    assert "account-done" not in page(await other.open(done.url)).text
    provider.clock.advance(61)
    assert "account-done" not in page(await visitor.open(done.url)).text
    assert "account-done" not in page(await visitor.open(f"/account?t={shown.fields['t']}")).text


async def test_it_cannot_be_framed_cached_or_scripted(provider: Provider, person: str) -> None:
    _, shown = await at_home(provider, person)
    headers = shown.headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in policy


async def test_methods_are_what_they_say(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    for form in FORMS:
        answer = await visitor.http.get(f"/account/{form}", params={"t": shown.fields["t"], **FORMS[form]})
        assert answer.status_code == 405
    assert (await visitor.http.post("/account")).status_code == 405
    page(await visitor.open("/account"))


# -- fixation (SE-01)


async def test_a_planted_cookie_is_worth_nothing_after_the_sign_in(provider: Provider, person: str) -> None:
    visitor = Visitor(provider)
    stop = page(await visitor.open("/account"), "login")
    form = {**stop.fields, "username": person, "password": PASSWORD}
    planted = {"cookie": f"idp=planted; idp-browser={visitor.http.cookies['idp-browser']}"}
    visitor.http.cookies.clear()
    answer = await visitor.http.post("/login", data=form, headers=planted)
    assert answer.status_code == 303
    assert visitor.http.cookies["idp"] != "planted"
    thief = await provider.browser().get("/account", headers={"cookie": "idp=planted"})
    assert thief.headers["location"].startswith(f"{visitor.base}/login")


async def test_the_login_of_one_browser_is_none_of_another(provider: Provider, person: str) -> None:
    stop = page(await Visitor(provider).open("/account"), "login")
    victim = Visitor(provider)
    await victim.open("/account")
    refused = page(await victim.log_in(stop, person, PASSWORD), "error")
    assert refused.status == 403
    assert "idp" not in victim.http.cookies


# -- SE-09


async def test_out_everywhere_is_everywhere(provider: Provider, person: str) -> None:
    """SE-09: five live sessions, each with tokens; all are refused at once."""
    browsers, tokens = [], []
    for number in range(5):
        browser, _ = await at_home(provider, person)
        browsers.append(browser)
        scope = "openid offline_access" if number % 2 else "openid"
        code = (await browser.sign_on(WEB.request(scope=scope))).code
        tokens.append((await WEB.redeem(provider.http, code)).json())
    shown = page(await browsers[0].open("/account"))
    assert len(references(shown)) == 5
    assert "refresh_token" in tokens[1]
    page(await press(browsers[0], shown, "sessions", end="all"), "logged-out")
    for browser in browsers:
        page(await browser.open("/account"), "login")
    for answer in tokens:
        assert (await userinfo(provider.http, answer["access_token"])).status_code == 401
        assert await WEB.introspect(provider.http, answer["access_token"]) == {"active": False}
        if "refresh_token" in answer:
            refused = await WEB.refresh(provider.http, answer["refresh_token"])
            assert refused.json()["error"] == "invalid_grant"


# -- names (XS)


async def test_hostile_names_are_words(provider: Provider) -> None:
    app = App("hostile", "https://hostile.test/cb", "secret-of-hostile-012345", members={"client_name": HOSTILE})
    await register(provider, app)
    username = "<svg/onload=1>"
    await add_person(provider, username, name=HOSTILE)
    visitor, _ = await at_home(provider, username, user_agent=f"Mozilla/5.0 {HOSTILE} Firefox/1")
    await visitor.sign_on(app.request(), username, PASSWORD)
    shown = page(await visitor.open("/account"))
    assert not re.search(r"<script|<svg", shown.text)
    assert "&#39;49" not in shown.text
    assert shown.text.count(html.escape("<svg/onload=1>")) >= 3
    assert apps(shown) == ["hostile"]


@pytest.mark.parametrize("said", ["", "x" * 5000, "Mozilla/5.0 \x01\x02 Firefox/1", "Mozilla/5.0 ü Firefox/1"])
async def test_any_user_agent_can_sign_in(provider: Provider, person: str, said: str) -> None:
    visitor = Visitor(provider)
    stop = page(await visitor.open("/account"), "login")
    form = {**stop.fields, "username": person, "password": PASSWORD}
    answer = await visitor.http.post("/login", data=form, headers=[(b"user-agent", said.encode("latin-1"))])
    assert answer.status_code == 303
    page(await visitor.open("/account"))


# -- who is out meanwhile


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["flag", "command"])
async def test_a_disabled_person_is_out(provider: Provider, person: str, form: str, how: str) -> None:
    visitor, shown = await at_home(provider, person)
    server = provider.server
    sub = next(p["sub"] for p in (await provider.control("user.list"))["people"] if p["username"] == person)
    if how == "command":
        await provider.control("user.disable", username=person)
    else:
        await server.database.write(accounts.set_disabled, server.journal, sub, server.now(), disabled=True)
    page(await press(visitor, shown, form, **FORMS[form]), "login")
    stop = page(await visitor.open("/account"), "login")
    assert page(await visitor.log_in(stop, person, PASSWORD), "login").status == 401
    events = (await provider.control("audit.tail", limit=10))["events"]
    assert not [e for e in events if e["detail"].get("by") == "person" or e["event"] == "consent.withdrawn"]


async def test_an_idle_session_is_neither_in_nor_listed(provider: Provider, person: str) -> None:
    idle, _ = await at_home(provider, person)
    provider.clock.advance(provider.server.settings.lifetimes.session_idle + 1)
    page(await idle.open("/account"), "login")
    _, shown = await at_home(provider, person)
    assert len(references(shown)) == 1


def _same(refused: Page) -> str:
    """The page without what differs each time."""
    return re.sub(r'id="error-reference">[^<]*<', "", refused.text)

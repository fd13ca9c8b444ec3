"""Changing one's own password: what a new one must be (NIST SP 800-63B 3.1.1.2), and what ends with the old one."""

from __future__ import annotations

import pytest
from account_support import at_home, change, page, press, references
from support import PASSWORD, WEB, Answer, Page, Visitor, add_person, sign_in, userinfo

from idp.accounts.strength import weakness_of
from idp.protocol.client import Account
from idp.testing import Provider

pytestmark = pytest.mark.anyio
FRESH = "four quiet lanterns"


@pytest.fixture
async def person(provider: Provider) -> str:
    count = len((await provider.control("user.list"))["people"])
    name = f"walter{count}"
    await add_person(provider, name, name="Walter Winterbottom", email="w.bottom@example.com")
    return name


async def test_a_new_password_ends_everything_but_this_browser(provider: Provider, person: str) -> None:
    elsewhere, _ = await at_home(provider, person)
    tokens = await sign_in(provider, WEB, person, PASSWORD, scope="openid offline_access")
    visitor, shown = await at_home(provider, person)
    old = visitor.http.cookies["idp"]
    done = await change(visitor, shown, FRESH)
    assert "Your password is changed." in done.text
    assert len(references(done)) == 1
    assert visitor.http.cookies["idp"] != old
    stale = await provider.browser().get("/account", headers={"cookie": f"idp={old}"})
    assert stale.headers["location"].startswith(f"{visitor.base}/login")
    page(await elsewhere.open("/account"), "login")
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    stop = page(await elsewhere.open("/account"), "login")
    assert page(await elsewhere.log_in(stop, person, PASSWORD), "login").status == 401
    page(await elsewhere.log_in(stop, person, FRESH))
    events = (await provider.control("audit.tail", limit=30))["events"]
    (line,) = [line for line in events if line["event"] == "account.changed"]
    assert line["detail"] == {"changed": ["password_hash"], "by": "person"}


async def test_the_current_password_is_needed(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    refused = await change(visitor, shown, FRESH, current="not the one")
    assert (refused.status, refused.inputs["current_password"]) == (401, "")
    assert "This is not your current password." in refused.text
    missing = page(await press(visitor, shown, "password", new_password=FRESH, repeat_password=FRESH))
    assert (missing.status, "Enter your current password." in missing.text) == (400, True)
    await provider.advance(1)
    events = (await provider.control("audit.tail", limit=3))["events"]
    assert "login.failed" in [line["event"] for line in events], "a wrong guess here counts as one at the door"
    await _still_is(provider, person, PASSWORD)


async def test_guessing_the_current_password_meets_the_limit(person: str, provider: Provider) -> None:
    visitor, shown = await at_home(provider, person)
    statuses = [(await change(visitor, shown, FRESH, current="not the one")).status for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    refused = await change(visitor, shown, FRESH)
    assert "There were too many attempts." in refused.text
    assert int(refused.headers["retry-after"]) > 0
    elsewhere, _ = await at_home(provider, person)
    await elsewhere.aclose()


async def test_this_browser_stays_known(person: str, provider: Provider) -> None:
    """The device cookie of the old password is worth nothing, so the answer brings a new one (decision 16)."""
    visitor, shown = await at_home(provider, person)
    await change(visitor, shown, FRESH)
    stranger = Visitor(provider)
    stop = page(await stranger.open("/account"), "login")
    while page(await stranger.log_in(stop, person, "wrong"), "login").status == 401:
        pass
    visitor.http.cookies.delete("idp")
    page(await visitor.log_in(page(await visitor.open("/account"), "login"), person, FRESH))


@pytest.mark.parametrize(
    ("fresh", "said"),
    [
        ("", "Enter a new password."),
        ("sh0rt 7", "too short"),
        ("x" * 1025, "too long"),
        ("password1", "most common passwords"),
        ("P@ssw0rd", "Replacing letters, such as @ for a, hardly helps."),
        ("qwertyuiop", "most common passwords"),
        ("zxcvfr4321", "Neighbouring keys"),
        ("abcabcabcabc", "Repetitions"),
        ("2019-03-04", "Dates and years"),
        ("winterbottom", "things others know about you"),
        ("w.bottom@example.com", "things others know about you"),
        (PASSWORD, "your password already"),
    ],
)
async def test_what_is_weak_is_refused_with_how_to_mend_it(
    provider: Provider, person: str, fresh: str, said: str
) -> None:
    visitor, shown = await at_home(provider, person)
    refused = await change(visitor, shown, fresh)
    assert refused.status == 400
    assert said in refused.text
    assert fresh not in refused.text or len(fresh) == 0 or fresh in shown.text, "what was typed is not sent back"
    await _still_is(provider, person, PASSWORD)


async def test_the_user_name_is_no_part_of_it(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    refused = await change(visitor, shown, f"lantern {person.upper()} quiet meadow")
    assert "contains your user name" in refused.text
    german = Visitor(provider, accept_language="de")
    german.http.cookies.update(visitor.http.cookies)
    refused = await change(german, page(await german.open("/account")), f"{person} lantern meadow")
    assert "enthält Ihren Benutzernamen" in refused.text


async def test_both_new_ones_must_be_the_same(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    refused = await change(visitor, shown, FRESH, repeat=f"{FRESH}!")
    assert (refused.status, "The two new passwords differ." in refused.text) == (400, True)
    await _still_is(provider, person, PASSWORD)


@pytest.mark.parametrize("fresh", ["drei stille Laternen", "пять тихих фонарей", "x9 Qv", "Tr0ub4dor&3"])
async def test_no_rule_about_kinds_of_characters(fresh: str) -> None:
    weakness = await weakness_of(fresh, Account(id="1", username="someone", claims={}), "id.example.com")
    assert (weakness is None) == (len(fresh) >= 8)


async def test_a_long_one_counts_only_what_is_scored() -> None:
    account = Account(id="1", username="someone", claims={})
    assert await weakness_of("a" * 72 + "four quiet lanterns", account, "") is not None
    assert await weakness_of("four quiet lanterns" + "a" * 900, account, "") is None


async def test_the_whole_password_is_kept(provider: Provider, person: str) -> None:
    """Nothing is cut off: a prefix does not open the door."""
    visitor, shown = await at_home(provider, person)
    long = " ".join([FRESH] * 50)
    await change(visitor, shown, long)
    await _still_is(provider, person, long)
    stop = page(await Visitor(provider).open("/account"), "login")
    assert stop.id == "login"
    other = Visitor(provider)
    stop = page(await other.open("/account"), "login")
    assert page(await other.log_in(stop, person, long[:-1]), "login").status == 401


async def test_a_full_pool_says_when_to_come_back(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    pool = provider.server.passwords
    free, pool._free = pool._free, 0  # type: ignore[attr-defined]
    try:
        busy = await change(visitor, shown, FRESH)
    finally:
        pool._free = free  # type: ignore[attr-defined]
    assert (busy.status, busy.headers["retry-after"]) == (503, "1")
    await _still_is(provider, person, PASSWORD)


async def test_operators_may_set_any_password(provider: Provider, person: str) -> None:
    """docs/account.md: their commands are not judged."""
    await provider.control("user.passwd", username=person, password="1")
    await _still_is(provider, person, "1")


async def test_an_app_signed_in_with_the_old_one_asks_again(provider: Provider, person: str) -> None:
    other = Visitor(provider)
    await other.sign_on(WEB.request(), person, PASSWORD)
    visitor, shown = await at_home(provider, person)
    await change(visitor, shown, FRESH)
    silent = await other.authorize(WEB.request(prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.error == "login_required"


async def _still_is(provider: Provider, person: str, password: str) -> None:
    visitor = Visitor(provider)
    stop = page(await visitor.open("/account"), "login")
    assert isinstance(await visitor.log_in(stop, person, password), Page)
    assert "idp" in visitor.http.cookies
    await visitor.aclose()

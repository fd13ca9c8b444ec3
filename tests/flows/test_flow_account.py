"""People's own page: signing in to it, where one is signed in, which apps may see what, and what happened lately."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from account_support import FIREFOX, IPHONE, apps, at_home, page, press, references, section
from support import PASSWORD, WEB, Answer, App, Visitor, add_person, discovery, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

PHOTOS = App(
    "photos",
    "https://photos.test/cb",
    "secret-of-photos-0123456789",
    scope="openid profile email offline_access albums",
    members={"client_name": "Photo box", "resources": ["https://api.photos.test"]},
)
OURS = App("ours", "https://ours.test/cb", "secret-of-ours-0123456789", members={"consent": "skip"})
ALBUMS = '[[scopes]]\nname = "albums"\ndescription = "See your albums"\n\n'
API = '[[resources]]\nuri = "https://api.photos.test"\nname = "Photo store"\nscopes = ["albums"]\n\n'
EVERYTHING = "openid profile email offline_access albums"


@pytest.fixture(autouse=True, scope="module")
async def scene(provider: Provider) -> None:
    await provider.apply(ALBUMS + API + PHOTOS.toml() + "\n\n" + OURS.toml())


@pytest.fixture
async def person(provider: Provider) -> str:
    """Somebody new, so that no session, consent or event is another test's."""
    count = len((await provider.control("user.list"))["people"])
    name = f"person{count}"
    await add_person(provider, name, name="Alice Archer", email="alice@example.com")
    return name


async def test_is_not_announced_in_discovery(provider: Provider) -> None:
    """It is for people: no client has to find it."""
    assert "/account" not in str(await discovery(provider.http))


async def test_a_setting_takes_it_away(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, account_page=False) as provider:
        for path in ("/account", "/account/password", "/account/sessions", "/account/apps"):
            for method in ("GET", "POST"):
                assert (await provider.http.request(method, path)).status_code == 404
        assert "account" not in (await provider.http.get("/")).json()
        welcome = await provider.http.get("/", headers={"accept": "text/html"})
        assert "/account" not in welcome.text
        assert page(await Visitor(provider).authorize(WEB.request()), "error")


# -- signing in to it


async def test_a_stranger_signs_in_and_is_brought_back(provider: Provider, person: str) -> None:
    visitor = Visitor(provider)
    stop = page(await visitor.open("/account"), "login")
    assert "decision" not in stop.text, "nobody waits who could be told of a cancel"
    wrong = page(await visitor.log_in(stop, person, "something else"), "login")
    assert wrong.status == 401
    assert wrong.inputs["username"] == person
    shown = page(await visitor.log_in(wrong, person, PASSWORD))
    assert shown.url == f"{provider.issuer}/account"
    assert "Alice Archer" in shown.text


async def test_one_sign_in_is_for_apps_and_for_the_page(provider: Provider, person: str) -> None:
    visitor, _ = await at_home(provider, person)
    silent = await visitor.authorize(OURS.request(prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.code
    other = Visitor(provider)
    await other.sign_on(WEB.request(), person, PASSWORD)
    page(await other.open("/account"))


async def test_coming_back_leads_nowhere_else(provider: Provider, person: str) -> None:
    """What waits is a sealed word, not an address: no open redirect (RFC 9700 4.11)."""
    visitor = Visitor(provider)
    for query in ("?return_to=https://evil.test", "?t=https://evil.test", "?home=//evil.test", "?next=/logout"):
        stop = page(await visitor.open(f"/account{query}"), "login")
        assert "evil" not in stop.text
        home = await visitor.http.post("/login", data={**stop.fields, "username": person, "password": PASSWORD})
        assert (home.status_code, home.headers["location"]) == (303, f"{visitor.base}/account")
        visitor.http.cookies.delete("idp")


async def test_the_waiting_page_is_no_request_of_an_app(provider: Provider, person: str) -> None:
    visitor = Visitor(provider)
    stop = page(await visitor.open("/account"), "login")
    sealed = stop.url.partition("?t=")[2]
    for path in ("/authorize/resume", "/consent", "/select-account"):
        assert page(await visitor.open(f"{path}?t={sealed}"), "error").status == 400
    # And a request of an app does not lead to the account page.
    waiting = page(await visitor.authorize(WEB.request()), "login")
    assert page(await visitor.log_in(waiting, person, PASSWORD), "consent")


async def test_it_works_under_an_issuer_with_a_path(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, issuer="http://localhost:8000/tenant") as provider:
        visitor, shown = await at_home(provider, "alice", "alice")
        assert shown.url == f"{provider.issuer}/account"
        assert 'action="/tenant/account/sessions"' in shown.text
        done = page(await press(visitor, shown, "sessions", end="others"))
        assert 'id="account-done"' in done.text


# -- where I am signed in


async def test_sessions_are_told_apart(provider: Provider, person: str) -> None:
    phone, _ = await at_home(provider, person, user_agent=IPHONE)
    provider.clock.advance(3600)
    unknown, _ = await at_home(provider, person, user_agent="curl/8.0")
    _, shown = await at_home(provider, person)
    words = section(shown, "sessions")
    assert words.startswith("Where you are signed in Firefox on Linux This browser Signed in ")
    assert words.count("This browser") == 1
    assert "Safari on iPhone" in words
    assert "Unknown browser" in words
    assert words.count("127.0.0.0/24") == 3
    assert len(set(references(shown))) == 3
    times = re.findall(r'<time datetime="(\d{4}-\d\d-\d\dT\d\d:\d\dZ)">[^<]* UTC</time>', shown.text)
    assert len(times) >= 6
    assert (await phone.http.get("/account")).status_code == (await unknown.http.get("/account")).status_code == 200


async def test_one_is_ended(provider: Provider, person: str) -> None:
    phone, there = await at_home(provider, person, user_agent=IPHONE)
    visitor, shown = await at_home(provider, person)
    (theirs,) = set(references(shown)) & set(references(there))
    done = page(await press(visitor, shown, "sessions", session=theirs))
    assert "That sign-in is ended." in done.text
    assert "Safari on iPhone" not in section(done, "sessions")
    page(await phone.open("/account"), "login")
    assert "That sign-in is ended." not in page(await visitor.open("/account")).text, "said once"


async def test_ending_the_one_i_look_from_signs_out(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    old = visitor.http.cookies["idp"]
    page(await press(visitor, shown, "sessions", session=references(shown)[0]), "logged-out")
    assert "idp" not in visitor.http.cookies
    again = await provider.browser().get("/account", headers={"cookie": f"idp={old}"})
    assert again.headers["location"].startswith(f"{visitor.base}/login")


async def test_all_others_are_ended_with_what_apps_kept(provider: Provider, person: str) -> None:
    kept = await sign_in(provider, PHOTOS, person, PASSWORD, scope="openid offline_access")
    visitor, shown = await at_home(provider, person)
    mine = (await PHOTOS.redeem(provider.http, (await visitor.sign_on(PHOTOS.request())).code)).json()
    done = page(await press(visitor, shown, "sessions", end="others"))
    assert len(references(done)) == 1
    assert (await PHOTOS.refresh(provider.http, kept["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await userinfo(provider.http, mine["access_token"])).status_code == 200


async def test_ended_sessions_tell_their_apps(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path) as provider:
        told = App("told", "https://told.test/cb", "secret-of-told-0123456789", members={"consent": "skip"})
        uri = {"backchannel_logout_uri": "https://told.test/out", "consent": "skip"}
        await register(provider, App(told.client_id, told.redirect_uri, told.secret, members=uri))
        elsewhere = Visitor(provider)
        await elsewhere.sign_on(told.request())
        woken: list[int] = []
        provider.server.after_commit.append(lambda: woken.append(1))
        visitor, shown = await at_home(provider, "alice", "alice")
        woken.clear()
        page(await press(visitor, shown, "sessions", end="others"))
        assert len((await provider.control("logout.deliveries"))["deliveries"]) == 1
        assert woken


# -- which apps may see what


async def test_an_app_is_shown_with_all_it_may(provider: Provider, person: str) -> None:
    allowed = int(provider.clock())
    tokens = await sign_in(provider, PHOTOS, person, PASSWORD, scope=EVERYTHING, resource="https://api.photos.test")
    provider.clock.advance(7200)
    await PHOTOS.refresh(provider.http, tokens["refresh_token"])
    used = int(provider.clock())
    provider.clock.advance(7200)
    _, shown = await at_home(provider, person)
    words = section(shown, "apps")
    for said in (
        "Photo box photos.test Recognise you See your profile See your e-mail address",
        "Keep this access while you are away",
        "See your albums",
        "Used at Photo store",
    ):
        assert said in words
    assert _minutes(shown.text, "First allowed") == allowed // 60
    assert _minutes(shown.text, "Last used") == used // 60


async def test_last_use_is_known_after_the_grant_was_swept(provider: Provider, person: str) -> None:
    await sign_in(provider, WEB, person, PASSWORD)
    used = int(provider.clock())
    await provider.advance(4 * 86_400)
    _, shown = await at_home(provider, person)
    assert apps(shown) == ["web"]
    assert _minutes(shown.text, "Last used") == used // 60


async def test_withdrawn_access_is_gone_at_once(provider: Provider, person: str) -> None:
    tokens = await sign_in(provider, PHOTOS, person, PASSWORD, scope="openid offline_access")
    other = await sign_in(provider, WEB, person, PASSWORD)
    visitor, shown = await at_home(provider, person)
    assert apps(shown) == ["photos", "web"]
    code = (await visitor.sign_on(PHOTOS.request(scope="openid"))).code
    done = page(await press(visitor, shown, "apps", client="photos"))
    assert "The access is withdrawn." in done.text
    assert apps(done) == ["web"]
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert await PHOTOS.introspect(provider.http, token) == {"active": False}
    assert (await PHOTOS.refresh(provider.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await PHOTOS.redeem(provider.http, code)).json()["error"] == "invalid_grant"
    page(await visitor.authorize(PHOTOS.request(scope="openid")), "consent")
    assert (await userinfo(provider.http, other["access_token"])).status_code == 200, "the other app keeps its own"
    events = (await provider.control("audit.tail", limit=20))["events"]
    (line,) = [line for line in events if line["event"] == "consent.withdrawn"]
    assert (line["client_id"], line["detail"]["grants_revoked"]) == ("photos", 2)


async def test_an_app_nobody_is_asked_for_is_shown_while_it_holds_something(provider: Provider, person: str) -> None:
    tokens = await sign_in(provider, OURS, person, PASSWORD)
    visitor, shown = await at_home(provider, person)
    assert apps(shown) == ["ours"]
    assert "set up for everybody" in section(shown, "apps")
    page(await press(visitor, shown, "apps", client="ours"))
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert "No app has access" in section(page(await visitor.open("/account")), "apps")


# -- recent activity


async def test_activity_is_told_in_words_newest_first(provider: Provider, person: str) -> None:
    visitor = Visitor(provider)
    stop = page(await visitor.authorize(PHOTOS.request()), "login")
    for _ in range(3):
        stop = page(await visitor.log_in(stop, person, "wrong"), "login")
    await provider.advance(1)  # failures are written by a job
    stop = page(await visitor.log_in(stop, person, PASSWORD), "consent")
    await visitor.submit(stop, decision="allow")
    shown = page(await visitor.open("/account"))
    words = re.sub(r" \d+ \w+ \d{4}, \d\d:\d\d UTC", ";", section(shown, "activity"))
    assert "Signed on at Photo box; Photo box was allowed to use your account; A sign-in with the password;" in words
    assert "with the password; , 127.0.0.0/24 3 sign-ins with a wrong password; Your account was created;" in words
    assert words.index("Photo box") < words.index("sign-in with the password") < words.index("Your account was created")


async def test_activity_is_nobody_elses_and_twenty_lines(provider: Provider, person: str) -> None:
    await add_person(provider, f"{person}-other")
    await sign_in(provider, PHOTOS, f"{person}-other", PASSWORD)
    visitor, shown = await at_home(provider, person)
    assert "Photo box" not in section(shown, "activity")
    for _ in range(22):
        await visitor.sign_on(OURS.request())
    assert section(page(await visitor.open("/account")), "activity").count("Signed on at") == 20


async def test_german(provider: Provider, person: str) -> None:
    visitor = Visitor(provider, accept_language="de", user_agent=FIREFOX)
    stop = page(await visitor.open("/account"), "login")
    assert stop.lang == "de"
    shown = page(await visitor.log_in(stop, person, PASSWORD))
    assert shown.lang == "de"
    assert "Firefox auf Linux Dieser Browser" in section(shown, "sessions")
    assert re.search(r"\d+\. [A-Z][a-zä]+ \d{4}, \d\d:\d\d UTC", shown.text)


async def test_last_seen_moves_with_a_visit(provider: Provider, person: str) -> None:
    visitor, shown = await at_home(provider, person)
    before = _minutes(shown.text, "Last seen")
    provider.clock.advance(3600)
    page(await visitor.open("/account"))
    assert _minutes(page(await visitor.open("/account")).text, "Last seen") == before + 60


def _minutes(text: str, label: str) -> int:
    """The first time after a label, in minutes since 1970."""
    found = re.search(rf'{label}</dt><dd><time datetime="([^"]+)Z"', text)
    assert found, label
    return int(datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp()) // 60

"""People of the app's own table (docs/hooks.md): they sign in, are followed, and every gate holds for them."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import SPA, WEB, Answer, Page, Visitor, claims_of, granted, register, userinfo
from support.hashes import django_hash
from support.mounted import MOUNTED, MountedProvider
from users_table import PASSWORD, Users

from idp.control.errors import ControlError
from idp.hooks import ChecksPasswords, Hooks, Person, check_hash
from idp.mounting import asgi
from idp.settings import SettingsError

pytestmark = pytest.mark.anyio
OFFLINE = "openid profile email offline_access"


async def tokens_of(
    provider: MountedProvider, visitor: Visitor, login: str = "carol", password: str = PASSWORD
) -> dict[str, Any]:
    answer = await visitor.sign_on(WEB.request(scope=OFFLINE, prompt="consent"), login, password)
    tokens = await WEB.redeem(provider.http, answer.code)
    return dict(tokens.raise_for_status().json())


async def try_in(visitor: Visitor, login: str = "carol", password: str = PASSWORD) -> Page | Answer:
    return await visitor.log_in(await visitor.authorize(WEB.request()), login, password)


@pytest.mark.parametrize("login", ["carol", "carol@example.com"])
async def test_they_sign_in_by_what_the_app_finds_them_by(
    provider: MountedProvider, visitor: Visitor, login: str
) -> None:
    tokens = await tokens_of(provider, visitor, login)
    assert (await claims_of(provider.http, tokens["id_token"]))["sub"] == "7"
    told = (await userinfo(provider.http, tokens["access_token"])).json()
    assert (told["sub"], told["name"], told["preferred_username"]) == ("7", "Carol Jones", "carol")
    assert told["email"] == "carol@example.com"


async def test_nobody_else_can(visitor: Visitor) -> None:
    for login, password in (("alice", "alice"), ("carol", "wrong"), ("nobody", PASSWORD), ("x" * 300, PASSWORD)):
        stop = await try_in(visitor, login, password)
        assert isinstance(stop, Page)
        assert (stop.id, stop.status) == ("login", 401)


async def test_its_functions_run_beside_the_loop(provider: MountedProvider, visitor: Visitor, users: Users) -> None:
    await tokens_of(provider, visitor)
    assert {name for name, _ in users.calls} == {"by_login", "by_sub"}
    assert all(thread.startswith("hook") for _, thread in users.calls)


async def test_a_slow_database_holds_nobody_else_up(provider: MountedProvider, visitor: Visitor, users: Users) -> None:
    asked, go_on = threading.Event(), threading.Event()
    known = users.by_login

    def slow(login: str) -> Person | None:
        asked.set()
        go_on.wait(10)
        return known(login)

    users.by_login = slow  # type: ignore[method-assign]
    signing_in = asyncio.create_task(tokens_of(provider, visitor))
    while not asked.is_set():
        await asyncio.sleep(0.005)
    assert (await provider.http.get("/.well-known/jwks.json")).status_code == 200
    assert not signing_in.done()
    go_on.set()
    assert "id_token" in await signing_in


async def test_what_changed_there_is_true_here_at_the_next_request(
    provider: MountedProvider, visitor: Visitor, users: Users
) -> None:
    token = (await tokens_of(provider, visitor))["access_token"]
    users.change(claims={"name": "Carol Smith"}, username="carol.smith")
    told = (await userinfo(provider.http, token)).json()
    assert (told["name"], told["preferred_username"], told.get("email")) == ("Carol Smith", "carol.smith", None)


@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_who_is_out_there_is_out_here(
    provider: MountedProvider, visitor: Visitor, users: Users, how: str
) -> None:
    tokens = await tokens_of(provider, visitor)
    kept = users.people["7"]
    users.change(disabled=True) if how == "disabled" else users.people.pop("7")
    refused = await WEB.refresh(provider.http, tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert await WEB.introspect(provider.http, tokens["access_token"]) == {"active": False}
    stop = await visitor.authorize(WEB.request())
    assert isinstance(stop, Page)
    assert stop.id == "login"
    stop = await visitor.log_in(stop, "carol", PASSWORD)
    assert isinstance(stop, Page)
    assert stop.status == 401
    users.people["7"] = kept  # and back again: a new sign-in, not the old tokens
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert "access_token" in await tokens_of(provider, visitor)


@pytest.mark.parametrize("spends", ["code", "refresh token"])
async def test_what_a_failing_hook_refused_can_be_asked_again(
    provider: MountedProvider, visitor: Visitor, users: Users, spends: str
) -> None:
    """Nothing was spent: the person is asked about first."""
    code = (await visitor.sign_on(WEB.request(scope=OFFLINE, prompt="consent"), "carol", PASSWORD)).code
    if spends == "code":
        users.broken = True
        assert (await WEB.redeem(provider.http, code)).status_code == 503
        users.broken = False
        assert (await WEB.redeem(provider.http, code)).status_code == 200
        return
    token = (await WEB.redeem(provider.http, code)).json()["refresh_token"]
    users.broken = True
    assert (await WEB.refresh(provider.http, token)).status_code == 503
    users.broken = False
    provider.clock.advance(600)  # far past the grace in which an answer is repeated
    assert (await WEB.refresh(provider.http, token)).status_code == 200


async def test_another_password_there_ends_what_the_old_one_began(
    provider: MountedProvider, visitor: Visitor, users: Users
) -> None:
    tokens = await tokens_of(provider, visitor)
    users.change(password_hash=django_hash("another one altogether"))
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).status_code == 400
    stop = await visitor.authorize(WEB.request())
    assert isinstance(stop, Page)
    assert stop.id == "login"
    assert "access_token" in await tokens_of(provider, visitor, password="another one altogether")


async def test_whom_an_operator_disabled_stays_so_whatever_the_app_says(
    provider: MountedProvider, visitor: Visitor, users: Users
) -> None:
    await tokens_of(provider, visitor)
    await provider.control("user.disable", username="carol")
    for changes in ({"disabled": True}, {"disabled": False}, {"claims": {"name": "C"}}):
        users.change(**changes)
        stop = await try_in(visitor)
        assert isinstance(stop, Page)
        assert stop.status == 401
    await provider.control("user.enable", username="carol")
    assert granted(await visitor.sign_on(WEB.request(), "carol", PASSWORD))


async def test_names_may_change_hands_and_never_the_sub(
    provider: MountedProvider, visitor: Visitor, users: Users
) -> None:
    """The second carol is another person to every app, and sees nothing of the first one's."""
    first = await tokens_of(provider, visitor)
    users.people = {"8": Person(sub="8", username="carol", password_hash=django_hash("second"))}
    other = Visitor(provider)
    second = await tokens_of(provider, other, password="second")
    await other.aclose()
    assert (await claims_of(provider.http, second["id_token"]))["sub"] == "8"
    assert (await userinfo(provider.http, first["access_token"])).status_code == 401
    users.people["7"] = Person(sub="7", username="carol-old", password_hash=django_hash(PASSWORD))
    assert (await userinfo(provider.http, second["access_token"])).json()["sub"] == "8"


async def test_a_person_of_ours_keeps_their_name(provider: MountedProvider, visitor: Visitor, users: Users) -> None:
    users.people["9"] = Person(sub="9", username="alice", password_hash=django_hash("hers"))
    tokens = await tokens_of(provider, visitor, "alice", "hers")
    assert (await userinfo(provider.http, tokens["access_token"])).json()["preferred_username"] == "alice"
    exported = (await provider.control("export", section="people"))["text"]
    assert 'username = "alice"' in exported
    assert 'sub = "9"' not in exported  # whom the app keeps are not ours to write down


async def test_guessing_is_limited_and_the_owner_gets_in(users: Users, tmp_path: Path) -> None:
    """Decision 16 for them too: a flood does not even reach the app's database."""
    options: dict[str, Any] = {"limits__account": 3, "limits__account_window": 600}
    async with MountedProvider(hooks=Hooks(accounts=users), data_dir=tmp_path, **options) as provider:
        await register(provider, WEB)
        owner, stranger = Visitor(provider), Visitor(provider)
        await tokens_of(provider, owner)
        for _ in range(3):
            await try_in(stranger, password="a guess")
        before = len(users.calls)
        stop = await try_in(stranger)
        assert isinstance(stop, Page)
        assert stop.status == 429
        assert len(users.calls) == before
        owner.http.cookies.delete("idp")
        assert granted(await owner.sign_on(WEB.request(), "carol", PASSWORD))
        await owner.aclose()
        await stranger.aclose()


async def test_an_outage_of_the_apps_database_locks_nobody_out(
    provider: MountedProvider, visitor: Visitor, users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    users.broken = True
    for _ in range(15):  # more tries than the limit has places
        stop = await try_in(visitor)
        assert isinstance(stop, Page)
        assert (stop.id, stop.status) == ("login", 503)
    assert "hook accounts.by_login failed: ConnectionError" in caplog.text
    users.broken = False
    assert granted(await visitor.sign_on(WEB.request(), "carol", PASSWORD))


async def test_unknown_names_look_and_cost_the_same(tmp_path: Path) -> None:
    """EN-01, EN-02 and EN-04, for hashes that cost other than ours do."""
    users = Users(iterations=600_000)
    users.people["8"] = Person(sub="8", username="dora", password_hash=users.people["7"].password_hash, disabled=True)
    users.people["9"] = Person(sub="9", username="emil")
    async with MountedProvider(hooks=Hooks(accounts=users), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        pages, seconds = [], {}
        for login in ("carol", "nobody", "dora", "emil"):
            visitor = Visitor(provider)
            page = await visitor.authorize(WEB.request())
            began = time.perf_counter()
            stop = await visitor.log_in(page, login, "wrong password")
            seconds[login] = time.perf_counter() - began
            assert isinstance(stop, Page)
            pages.append((stop.status, stop.text.replace(login, "NAME").replace(stop.fields["t"], "T")))
            await visitor.aclose()
    assert len(set(pages)) == 1
    assert min(seconds.values()) > max(seconds.values()) / 3, seconds  # ours costs a tenth of theirs


class OwnHashes(Users):
    """Asynchronous functions, and passwords that are checked there."""

    def __init__(self) -> None:
        super().__init__()
        self.people["7"] = Person(sub="7", username="carol", password_stamp="1")
        self.verified: list[Person | None] = []

    async def by_login(self, login: str) -> Person | None:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().by_login(login)

    async def by_sub(self, sub: str) -> Person | None:  # type: ignore[override]
        return super().by_sub(sub)

    def verify_password(self, person: Person | None, password: str) -> bool:
        self.verified.append(person)
        return password == PASSWORD if person else check_hash(None, password)


async def test_an_app_that_checks_passwords_itself(tmp_path: Path) -> None:
    users = OwnHashes()
    assert isinstance(users, ChecksPasswords)
    async with MountedProvider(hooks=Hooks(accounts=users), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        tokens = await tokens_of(provider, visitor)
        assert (await claims_of(provider.http, tokens["id_token"]))["sub"] == "7"
        stranger = Visitor(provider)
        for login in ("carol", "nobody"):
            stop = await try_in(stranger, login, "wrong")
            assert isinstance(stop, Page)
            assert stop.status == 401
        assert [each and each.sub for each in users.verified] == ["7", "7", None]
        users.change(password_stamp="2")
        assert (await WEB.refresh(provider.http, tokens["refresh_token"])).status_code == 400
        await visitor.aclose()
        await stranger.aclose()


async def test_a_breakpoint_stops_inside_the_login(
    provider: MountedProvider, visitor: Visitor, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[tuple[str, list[str]]] = []

    def hook(*arguments: object, **named: object) -> None:
        frames = [frame.name for frame in traceback.extract_stack()]
        stopped.append((threading.current_thread().name, frames))

    class Debugged(Users):
        def by_login(self, login: str) -> Person | None:
            breakpoint()
            return super().by_login(login)

    monkeypatch.setattr(sys, "breakpointhook", hook)
    monkeypatch.setattr(users, "by_login", Debugged().by_login)
    assert granted(await visitor.sign_on(WEB.request(), "carol", PASSWORD))
    ((thread, frames),) = stopped
    assert thread.startswith("hook")
    assert frames[-2] == "by_login"


async def test_operators_see_them_and_leave_their_passwords_alone(
    provider: MountedProvider, visitor: Visitor, users: Users
) -> None:
    await tokens_of(provider, visitor)
    assert "carol" in [each["username"] for each in (await provider.control("user.list"))["people"]]
    with pytest.raises(ControlError, match="have their passwords there"):
        await provider.control("user.passwd", username="carol", password="another one")
    users.change(disabled=True)
    with pytest.raises(ControlError, match="exists and is enabled"):
        await provider.token_for("carol")


async def test_claims_that_are_not_json_are_told(
    provider: MountedProvider, visitor: Visitor, users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    users.change(claims={"name": object()})
    stop = await try_in(visitor)
    assert isinstance(stop, Page)
    assert stop.status == 503
    assert "Person.claims of sub 7 are not JSON" in caplog.text


async def test_their_password_is_no_business_of_the_account_page(provider: MountedProvider, visitor: Visitor) -> None:
    await tokens_of(provider, visitor)
    page = await visitor.open("/account")
    assert isinstance(page, Page)
    assert page.id == "account"
    assert 'name="current_password"' not in page.text
    form = {"t": page.fields["t"], "current_password": PASSWORD, "new_password": "x" * 12, "repeat_password": "x" * 12}
    answer: httpx2.Response = await visitor.http.post("/account/password", data=form)
    assert answer.status_code == 404
    assert "access_token" in await tokens_of(provider, visitor)


def test_nobody_makes_an_account_beside_the_apps(users: Users, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"leave sign_up\.open out"):
        asgi(mode="dev", issuer=MOUNTED, data_dir=tmp_path, hooks=Hooks(accounts=users), sign_up__open=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sub": 7}, "str\\(row.id\\)"),
        ({"sub": ""}, "1 to 64"),
        ({"sub": "x" * 65}, "1 to 64"),
        ({"sub": "a b"}, "visible ASCII"),
        ({"username": ""}, "1 to 255"),
        ({"claims": {"sub": "1", "cnf": {}}}, "hold cnf, sub"),
    ],
)
def test_what_cannot_be_a_person_is_told_to_the_app(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Person(**{"sub": "1", "username": "carol", **changes})


async def test_an_answer_of_another_kind_is_told(
    provider: MountedProvider, visitor: Visitor, users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    users.by_login = lambda login: {"sub": "7"}  # type: ignore[method-assign,assignment,return-value]
    caplog.set_level(logging.ERROR)
    stop = await try_in(visitor)
    assert isinstance(stop, Page)
    assert stop.status == 503
    assert "hook accounts.by_login answered | received: dict | expected: Person or None" in caplog.text
    assert SPA.client_id not in caplog.text

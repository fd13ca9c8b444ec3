"""``apply`` with a plan: what would change, what it would break, and that applying does just that, or nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from support import SPA, WEB, Visitor, register, sign_in, userinfo
from support.people import add_person

import idp.control.applying as applying
from idp.config.toml_source import TomlSource
from idp.control import ControlError
from idp.manifest import parse_manifest
from idp.store import applying as store_applying
from idp.store import holdings
from idp.store.redirect_uses import last_uses
from idp.testing import Provider

pytestmark = pytest.mark.anyio
OFFLINE = {"scope": "openid profile offline_access"}
DAY = 86_400


async def planned(provider: Provider, text: str, *, plan: bool = True) -> dict[str, Any]:
    manifest = parse_manifest(TomlSource(text, "test"), provider.data_dir)
    answer = await provider.control("apply", manifest=msgspec.to_builtins(manifest), plan=plan)
    return {entry["name"]: entry for entry in answer["outcomes"]}


async def only(provider: Provider, text: str) -> dict[str, Any]:
    (entry,) = (await planned(provider, text)).values()
    return dict(entry)


async def test_a_plan_writes_nothing_and_the_apply_does_what_it_said(provider: Provider) -> None:
    text = WEB.toml().replace('"web"', '"planned"') + (
        '\n[[people]]\nusername = "petra"\npassword = "a long password"\n[[scopes]]\nname = "later"\n'
        '[[resources]]\nuri = "https://later.test"\n'
    )
    before = await provider.control("audit.tail", limit=10_000)
    drawn = await planned(provider, text)
    assert {entry["outcome"] for entry in drawn.values()} == {"created"}
    assert await provider.control("audit.tail", limit=10_000) == before
    assert await provider.server.client("planned") is None
    assert await planned(provider, text, plan=False) == drawn
    assert {entry["outcome"] for entry in (await planned(provider, text)).values()} == {"unchanged"}


async def test_members_are_told_old_and_new_and_secrets_by_their_ids(provider: Provider) -> None:
    await register(provider, WEB)
    changed = WEB.toml().replace(str(WEB.secret), "another-secret-0123456789").replace("Web shop", "Corner shop")
    entry = await only(provider, changed)
    ids = [hashlib.sha256(text.encode()).hexdigest()[:8] for text in (str(WEB.secret), "another-secret-0123456789")]
    assert {"name": "client_name", "old": '"Web shop"', "new": '"Corner shop"'} in entry["members"]
    assert {"name": "secret_hashes", "old": ids[0], "new": ids[1]} in entry["members"]
    assert entry["breaks"] == [f"secret {ids[0]} is no longer valid"]
    assert "another-secret" not in str(entry)


async def test_a_redirect_uri_in_use_is_told_with_its_day_for_thirty_days(provider: Provider) -> None:
    await register(provider, WEB)
    visitor = Visitor(provider)
    await visitor.sign_on(WEB.request(), "alice")
    await visitor.aclose()
    moved = WEB.toml().replace("https://web.test/cb", "https://web.test/new")
    assert (await only(provider, moved))["breaks"] == []
    await provider.advance(0)  # the job that writes the uses
    (told,) = (await only(provider, moved))["breaks"]
    assert told.startswith("redirect URI https://web.test/cb is taken away, last used on 20")
    await provider.advance(31 * DAY)
    assert (await only(provider, moved))["breaks"] == []


async def test_a_loopback_use_counts_for_the_registered_address_whatever_its_port() -> None:
    async with Provider() as provider:
        visitor = Visitor(provider)
        for port in (4001, 4002):
            request = {**WEB.request(), "client_id": "sample", "redirect_uri": f"http://127.0.0.1:{port}/callback"}
            await visitor.sign_on(request, "alice")
        await visitor.aclose()
        assert len(provider.server.redirect_uses.take()) == 1


async def test_old_uses_are_forgotten() -> None:
    async with Provider() as provider:
        await register(provider, WEB, SPA)
        for app in (SPA, WEB):
            visitor = Visitor(provider)
            await visitor.sign_on(app.request(), "alice")
            await visitor.aclose()
            await provider.advance(401 * DAY if app is SPA else 0)
        read = provider.server.database.read
        assert await read(last_uses, "spa", [SPA.redirect_uri], 0.0) == {}
        assert len(await read(last_uses, "web", [WEB.redirect_uri], 0.0)) == 1


async def test_a_person_disabled_or_with_a_new_password_loses_sessions_and_grants(provider: Provider) -> None:
    await register(provider, WEB)
    await add_person(provider, "quinn")
    tokens = await sign_in(provider, WEB, "quinn", "correct horse", **OFFLINE)
    person = '[[people]]\nusername = "quinn"\n'
    assert (await only(provider, person + 'password = "correct horse"\n'))["outcome"] == "unchanged"
    for change in ("disabled = true\n", 'password = "correct donkey"\n'):
        entry = await only(provider, person + change)
        assert entry["breaks"] == ["1 session and 1 live grant end"]
        assert "donkey" not in str(entry)
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 200
    await provider.apply(person + 'password = "correct donkey"\n')
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    await provider.apply(person + "disabled = true\n")
    assert (await only(provider, person + "disabled = true\n"))["outcome"] == "unchanged"
    (row,) = (await provider.control("user.list", prefix="quinn"))["people"]
    assert row["disabled"] is True
    await provider.apply(person)
    (row,) = (await provider.control("user.list", prefix="quinn"))["people"]
    assert row["disabled"] is True, "a file without the word changes nothing"
    await provider.apply(person + "disabled = false\n")
    await sign_in(provider, WEB, "quinn", "correct donkey")


async def test_what_live_grants_hold_is_counted() -> None:
    async with Provider() as provider:
        await provider.apply('[[scopes]]\nname = "orders"\nclaims = ["email"]\n')
        app = WEB.toml().replace("offline_access", "offline_access orders")
        await provider.apply(app)
        await sign_in(provider, WEB, "alice", scope="openid offline_access orders")
        await sign_in(provider, WEB, "bob", scope="openid offline_access orders")
        await sign_in(provider, WEB, "bob", scope="openid")
        narrowed = app.replace(" orders", "").replace(', "refresh_token"', "") + "\ndisabled = true\n"
        assert (await only(provider, narrowed))["breaks"] == [
            "every request of the app is refused, and the tokens of 3 live grants at our endpoints",
            "grant_type refresh_token is refused; 3 live grants cannot be renewed",
            "requests for scope orders are refused",
            "2 live grants still hold scope orders, until they end",
        ]
        scope = '[[scopes]]\nname = "orders"\n'
        assert (await only(provider, scope))["breaks"] == ["2 live grants with orders no longer open email at UserInfo"]
        await provider.control("user.logout", username="alice")
        assert (await only(provider, scope))["breaks"] == ["1 live grant with orders no longer opens email at UserInfo"]


async def test_grants_past_one_page_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "PAGE", 2)
    async with Provider() as provider:
        await register(provider, WEB)
        for _ in range(5):
            await provider.token_for("alice", client="web")
        entry = await only(provider, WEB.toml() + "\ndisabled = true\n")
        assert "5 live grants" in entry["breaks"][0]


async def test_what_changed_in_between_is_looked_at_again(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's change between reading and writing is neither overwritten unseen nor half applied."""
    await register(provider, WEB)
    meddled: list[str] = []
    draw = applying.draw

    async def with_meddling(server: Any, asked: Any) -> Any:
        drawing = await draw(server, asked)
        if not meddled:
            meddled.append("once")
            await provider.control("client.disable", client_id="web")
        return drawing

    monkeypatch.setattr(applying, "draw", with_meddling)
    text = '[[people]]\nusername = "rosa"\npassword = "a long password"\n' + WEB.toml().replace("Web shop", "Shop")
    found = await planned(provider, text, plan=False)
    assert {"name": "disabled", "old": "true", "new": "false"} in found["web"]["members"]
    assert found["rosa"]["outcome"] == "created"
    client = await provider.server.client("web")
    assert client is not None
    assert (client.client_name, client.disabled) == ("Shop", False)


async def test_a_file_is_applied_whole_or_not_at_all(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    create = store_applying._create_person

    def failing(connection: Any, journal: Any, person: Any, now: float) -> None:
        if person.username == "zara":
            raise store_applying.Stale("zara")
        create(connection, journal, person, now)

    monkeypatch.setattr(store_applying, "_create_person", failing)
    people = "".join(f'[[people]]\nusername = "{name}"\npassword = "a long password"\n' for name in ("yves", "zara"))
    with pytest.raises(ControlError, match="changed meanwhile"):
        await provider.apply(people + '[[scopes]]\nname = "half"\n')
    assert (await provider.control("user.list", prefix="yves"))["people"] == []
    assert "half" not in provider.server.registry.scopes

"""The account page's statements on PostgreSQL, and its changes over two nodes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urljoin

import pytest
from support import WEB, Page, Visitor, register, sign_in, userinfo

from idp.testing import MovingClock, Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]


async def _signed_in(provider: Provider) -> tuple[Visitor, Page]:
    """By a browser whose name this database would refuse as it is: too long, and with a NUL in it."""
    visitor = Visitor(provider, user_agent=f"Mozilla/5.0 \0 (X11; Linux x86_64) Firefox/128.0 {'x' * 300}")
    shown = await visitor.log_in(await visitor.open("/account"), "alice")
    assert "Firefox on Linux" in getattr(shown, "text", "")
    assert isinstance(shown, Page)
    assert shown.id == "account", shown.text
    return visitor, shown


async def _press(visitor: Visitor, shown: Page, form: str, **fields: str) -> Page:
    stop = await visitor.post(urljoin(shown.url, f"/account/{form}"), {"t": shown.fields["t"], **fields})
    assert isinstance(stop, Page)
    return stop


async def test_what_one_node_ends_the_other_refuses(database: str, tmp_path: Path) -> None:
    clock = MovingClock()
    async with (
        Provider(database=database, clock=clock, data_dir=tmp_path) as one,
        Provider(database=database, clock=clock, data_dir=tmp_path) as two,
    ):
        await register(one, WEB)
        await two.advance(1)
        tokens = await sign_in(two, WEB, scope="openid offline_access")
        elsewhere, _ = await _signed_in(two)
        visitor, shown = await _signed_in(one)
        assert 'value="web"' in shown.text
        done = await _press(visitor, shown, "apps", client="web")
        assert 'value="web"' not in done.text
        assert (await userinfo(two.http, tokens["access_token"])).status_code == 401
        assert (await WEB.refresh(two.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"
        fresh = {"new_password": "four quiet lanterns", "repeat_password": "four quiet lanterns"}
        done = await _press(visitor, done, "password", current_password="alice", **fresh)
        assert "account-done" in done.text
        stop = await elsewhere.open("/account")
        assert isinstance(stop, Page)
        assert stop.id == "login"


async def test_two_who_end_everything_at_once_do_not_wait_for_each_other(database: str) -> None:
    """Rows are touched in one order, and whoever still loses a race is done again."""
    async with Provider(database=database) as provider:
        await register(provider, WEB)
        for _ in range(3):
            browsers = [await _signed_in(provider) for _ in range(4)]
            for browser, _ in browsers:
                await browser.sign_on(WEB.request(scope="openid offline_access"))
            presses = [_press(browser, shown, "sessions", end="all") for browser, shown in browsers]
            assert {stop.id for stop in await asyncio.gather(*presses)} <= {"logged-out", "login"}
            for browser, _ in browsers:
                stop = await browser.open("/account")
                assert isinstance(stop, Page)
                assert stop.id == "login"

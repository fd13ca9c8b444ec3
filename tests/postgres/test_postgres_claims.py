"""Claims, levels and pairwise subjects on PostgreSQL: kept with grant and consent, and known alike by every node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from support import App, Page, Visitor, claims_of, granted, register, sign_in, unverified, userinfo

from idp.testing import MovingClock, Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789",
    scope="openid profile email offline_access",
    members={"subject_type": "pairwise"},
)
NAMES = ("name", "email", "given_name", "family_name", "email_verified")


async def test_they_are_kept_and_remembered_over_nodes(database: str, tmp_path: Path) -> None:
    clock = MovingClock()
    async with (
        Provider(database=database, data_dir=tmp_path / "one", clock=clock) as one,
        Provider(database=database, data_dir=tmp_path / "two", clock=clock) as two,
    ):
        await register(one, SHOP)
        await two.server.reload_registry()
        asked = json.dumps({"userinfo": {"name": None}, "id_token": {"email": None}})
        tokens = await sign_in(one, SHOP, claims=asked, scope="openid offline_access")
        again = (await SHOP.refresh(two.http, tokens["refresh_token"])).json()
        inside = await claims_of(two.http, again["id_token"])
        assert (inside["email"], inside["acr"]) == ("alice@example.com", "urn:idp:acr:pwd")
        told = (await userinfo(two.http, again["access_token"])).json()
        assert told == {"sub": unverified(tokens["id_token"])[1]["sub"], "name": "Alice Archer"}
        visitor = Visitor(two)
        await visitor.log_in(await visitor.authorize(SHOP.request(claims=asked)))
        assert granted(await visitor.authorize(SHOP.request(claims=asked, prompt="none")))
        account = await visitor.open("/account")
        assert isinstance(account, Page)
        assert "See single entries of your profile: E-mail address, Name" in account.text
        await visitor.aclose()


async def test_allowed_in_several_tabs_at_once_nothing_is_forgotten(database: str, tmp_path: Path) -> None:
    async with Provider(database=database, data_dir=tmp_path) as provider:
        await register(provider, SHOP)
        visitor = Visitor(provider)
        requests = [SHOP.request(claims=json.dumps({"userinfo": {name: None}})) for name in NAMES]
        await visitor.log_in(await visitor.authorize(requests[0]))
        pages = [await visitor.authorize(request) for request in requests]
        stops = await asyncio.gather(*(visitor.submit(page, decision="allow") for page in pages))
        assert all(map(granted, stops))
        every = json.dumps({"userinfo": dict.fromkeys(NAMES)})
        assert granted(await visitor.authorize(SHOP.request(claims=every, prompt="none")))
        await visitor.aclose()

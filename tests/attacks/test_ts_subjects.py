"""TS-09: a pairwise subject is one value in a sector, in every document, and joins nobody across sectors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support import App, claims_of, register, sign_in, unverified, userinfo
from support.loopback import sink

from idp.testing import Provider

pytestmark = pytest.mark.anyio
PEOPLE = ("alice", "bob")


def party(name: str, **members: Any) -> App:
    return App(
        name,
        f"https://{name}.test/cb",
        f"secret-of-{name}-0123456789abcdef",
        members={"subject_type": "pairwise", "consent": "skip", **members},
    )


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    async with Provider(data_dir=tmp_path) as started:
        yield started


async def test_ts_09_the_same_in_all_four_and_unlinkable_across(provider: Provider) -> None:
    with sink() as heard:
        left, right = party("left", backchannel_logout_uri=heard.url), party("right", backchannel_logout_uri=heard.url)
        await register(provider, left, right)
        known: dict[tuple[str, str], str] = {}
        for app in (left, right):
            for person in PEOPLE:
                tokens = await sign_in(provider, app, person, scope="openid offline_access")
                shown = await app.introspect(provider.http, tokens["access_token"])
                told = {
                    (await claims_of(provider.http, tokens["id_token"]))["sub"],
                    (await userinfo(provider.http, tokens["access_token"])).json()["sub"],
                    shown["sub"],
                    (await app.introspect(provider.http, tokens["refresh_token"]))["sub"],
                }
                await provider.control("user.logout", username=person)
                await provider.advance(2)
                told.add(unverified((await asyncio.to_thread(heard.take))["logout_token"])[1]["sub"])
                assert len(told) == 1, f"{app.client_id} hears of {person} under several names"
                known[app.client_id, person] = told.pop()
                # Nor does anything else that both clients see name the person.
                assert person not in json.dumps([shown, unverified(tokens["access_token"])])
        assert len(set(known.values())) == 4, "no two clients, and no two people, share a sub"


async def test_ts_09_no_other_installation_computes_it(provider: Provider, tmp_path: Path) -> None:
    """The value hangs on a secret: who knows sector and account cannot try them."""
    app = party("left")
    await register(provider, app)
    here = unverified((await sign_in(provider, app))["id_token"])[1]["sub"]
    async with Provider(data_dir=tmp_path / "other") as elsewhere:
        await register(elsewhere, app)
        assert unverified((await sign_in(elsewhere, app))["id_token"])[1]["sub"] != here


async def test_ts_09_a_public_sub_is_no_key_to_a_pairwise_one(provider: Provider) -> None:
    """``claims`` must not answer whether this person is that account (OIDC Core 5.5.1)."""
    app = party("left")
    await register(provider, app)
    async with provider.browser() as http:
        asked = app.request(claims=json.dumps({"id_token": {"sub": {"value": "alice"}}}), prompt="none")
        answer = await http.get("/authorize", params=asked)
        assert "error=login_required" in answer.headers["location"]

"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0): real POSTs to a real server on a loopback port."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import WEB, App, Page, Visitor, claims_of, discovery, header_of, register
from support.loopback import Sink, sink

from idp.testing import Provider

pytestmark = pytest.mark.anyio

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def shop_sink() -> Iterator[Sink]:
    with sink() as found:
        yield found


@pytest.fixture
def blog_sink() -> Iterator[Sink]:
    with sink() as found:
        yield found


@pytest.fixture
async def calm(tmp_path: Path) -> AsyncIterator[Provider]:
    """A provider whose jobs run only when the test moves the clock."""
    async with Provider(data_dir=tmp_path) as provider:
        await provider.application.jobs.stop()
        yield provider


def shop(listener: Sink, **members: Any) -> App:
    return App(
        "shop",
        "https://shop.test/cb",
        "secret-of-shop-0123456789",
        members={"backchannel_logout_uri": listener.url, **members},
    )


def blog(listener: Sink) -> App:
    members = {"backchannel_logout_uri": listener.url, "id_token_signed_response_alg": "ES256"}
    return App("blog", "https://blog.test/cb", "secret-of-blog-0123456789", members=members)


async def signed_on(provider: Provider, visitor: Visitor, app: App, person: str = "alice") -> dict[str, Any]:
    tokens = await app.redeem(provider.http, (await visitor.sign_on(app.request(), person)).code)
    return dict(tokens.json())


async def sign_out(visitor: Visitor, id_token: str) -> None:
    stop = await visitor.open("/logout", {"id_token_hint": id_token})
    assert isinstance(stop, Page)
    assert stop.id == "logged-out"


async def taken(listener: Sink) -> str:
    """The logout token of the next POST, waited for without holding the loop."""
    form = await asyncio.to_thread(listener.take)
    assert form.keys() == {"logout_token"}
    return form["logout_token"]


async def deliveries(provider: Provider) -> dict[str, dict[str, Any]]:
    found = (await provider.control("logout.deliveries"))["deliveries"]
    return {row["client_id"]: row for row in found}


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


async def test_every_app_of_the_session_hears_within_two_seconds(
    provider: Provider, visitor: Visitor, shop_sink: Sink, blog_sink: Sink
) -> None:
    apps = {"shop": shop(shop_sink), "blog": blog(blog_sink)}
    await register(provider, *apps.values())
    await visitor.sign_on(WEB.request())  # takes part, but registered no address
    tokens = {name: await signed_on(provider, visitor, app) for name, app in apps.items()}
    began = time.monotonic()
    await sign_out(visitor, tokens["shop"]["id_token"])
    for name, listener, alg in (("shop", shop_sink, "RS256"), ("blog", blog_sink, "ES256")):
        text = await taken(listener)
        assert time.monotonic() - began < 2
        header = header_of(text)
        assert (header["alg"], header["typ"]) == (alg, "logout+jwt")
        claims = await claims_of(provider.http, text, alg)
        now = int(provider.clock())
        assert len(claims.pop("jti")) >= 16
        assert claims == {
            "iss": provider.issuer,
            "aud": name,
            "iat": now,
            "exp": now + 120,
            "sub": "alice",
            "sid": (await claims_of(provider.http, tokens[name]["id_token"]))["sid"],
            "events": {EVENT: {}},
        }, "and no nonce (section 2.4)"
        assert listener.content_types == ["application/x-www-form-urlencoded"]


async def test_a_logout_token_is_no_other_token(provider: Provider, visitor: Visitor, shop_sink: Sink) -> None:
    await register(provider, shop(shop_sink))
    tokens = await signed_on(provider, visitor, shop(shop_sink))
    await sign_out(visitor, tokens["id_token"])
    text = await taken(shop_sink)
    assert (await provider.http.get("/userinfo", headers={"authorization": f"Bearer {text}"})).status_code == 401
    hinted = await visitor.open("/logout", {"id_token_hint": text})
    assert isinstance(hinted, Page)
    assert hinted.id == "error"


async def test_an_app_of_another_session_hears_nothing(calm: Provider, shop_sink: Sink, blog_sink: Sink) -> None:
    await register(calm, shop(shop_sink), blog(blog_sink))
    here, there = Visitor(calm), Visitor(calm)
    tokens = await signed_on(calm, here, shop(shop_sink))
    await signed_on(calm, there, blog(blog_sink))
    await sign_out(here, tokens["id_token"])
    await calm.advance(0)
    await taken(shop_sink)
    await calm.advance(60)
    assert blog_sink.empty
    assert shop_sink.empty


async def test_after_a_500_it_comes_again_with_the_same_jti(calm: Provider, shop_sink: Sink) -> None:
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    shop_sink.answers = [500, 503, 200]
    await sign_out(visitor, tokens["id_token"])
    seen = []
    for wait in (0, 1, 5):
        await calm.advance(wait)
        seen.append(await claims_of(calm.http, await taken(shop_sink)))
    assert len({claims["jti"] for claims in seen}) == 1
    assert [claims["iat"] - seen[0]["iat"] for claims in seen] == [0, 1, 6]
    assert [claims["exp"] - claims["iat"] for claims in seen] == [120] * 3
    await calm.advance(86_400)
    assert shop_sink.empty, "what arrived is not sent again"
    row = (await deliveries(calm))["shop"]
    assert (row["attempts"], row["last_answer"]) == (3, "200")
    assert row["tries"].splitlines() == ["0.0 500", "1.0 503", "6.0 200"], "the operator's time line"
    assert row["delivered_at"] is not None
    events = [line["event"] for line in (await calm.control("audit.tail", limit=100))["events"]]
    assert (events.count("logout.failed"), events.count("logout.delivered")) == (2, 1)


async def test_not_before_its_time(calm: Provider, shop_sink: Sink) -> None:
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    shop_sink.answers = [500, 500]
    await sign_out(visitor, tokens["id_token"])
    await calm.advance(0)
    await taken(shop_sink)
    await calm.advance(0.5)
    assert shop_sink.empty
    await calm.advance(0.5)
    await taken(shop_sink)
    await calm.advance(4.9)
    assert shop_sink.empty
    await calm.advance(0.1)
    await taken(shop_sink)


async def test_after_a_day_it_is_given_up(calm: Provider, shop_sink: Sink) -> None:
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    shop_sink.answers = [500] * 100
    await sign_out(visitor, tokens["id_token"])
    for _ in range(20):
        await calm.advance(28_800)
    row = (await deliveries(calm))["shop"]
    assert row["given_up_at"] is not None
    assert row["attempts"] == 12
    assert len(shop_sink.paths) == 12


@pytest.mark.parametrize(("status", "arrived"), [(200, True), (204, True), (400, False), (302, False), (201, False)])
async def test_which_answers_count(calm: Provider, shop_sink: Sink, status: int, arrived: bool) -> None:
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    shop_sink.answers = [status]
    await sign_out(visitor, tokens["id_token"])
    await calm.advance(0)
    assert shop_sink.paths == ["/backchannel"], "a redirect is not followed"
    row = (await deliveries(calm))["shop"]
    assert (row["delivered_at"] is not None) is arrived
    assert row["last_answer"] == str(status)


async def test_nobody_there_is_tried_again(calm: Provider) -> None:
    with sink() as gone:
        app = shop(gone)
    await register(calm, app)
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, app)
    await sign_out(visitor, tokens["id_token"])
    await calm.advance(0)
    row = (await deliveries(calm))["shop"]
    assert (row["attempts"], row["delivered_at"]) == (1, None)
    assert row["last_answer"]


async def test_a_slow_app_holds_up_nobody(
    provider: Provider, visitor: Visitor, shop_sink: Sink, blog_sink: Sink
) -> None:
    await register(provider, shop(shop_sink), blog(blog_sink))
    tokens = await signed_on(provider, visitor, shop(shop_sink))
    await signed_on(provider, visitor, blog(blog_sink))
    shop_sink.held.clear()
    began = time.monotonic()
    await sign_out(visitor, tokens["id_token"])
    assert time.monotonic() - began < 1, "the person's page does not wait"
    await taken(blog_sink)
    assert time.monotonic() - began < 2
    shop_sink.held.set()


async def test_two_senders_send_once(calm: Provider, shop_sink: Sink) -> None:
    """decision 24: a delivery belongs to whoever took its lease."""
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    await sign_out(visitor, tokens["id_token"])
    await asyncio.gather(*(calm.application.jobs.run_all() for _ in range(5)))
    await taken(shop_sink)
    assert shop_sink.empty


async def test_a_lease_of_a_dead_sender_runs_out(calm: Provider, shop_sink: Sink) -> None:
    from idp.store.logout import LEASE_SECONDS, claim_due

    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    await sign_out(visitor, tokens["id_token"])
    claimed = await calm.server.database.write(claim_due, calm.clock())
    assert len(claimed) == 1
    await calm.advance(LEASE_SECONDS - 1)
    assert shop_sink.empty
    await calm.advance(1)
    assert (await claims_of(calm.http, await taken(shop_sink)))["jti"] == claimed[0].jti


async def test_another_person_at_the_browser_ends_the_first_session(
    provider: Provider, visitor: Visitor, shop_sink: Sink
) -> None:
    await register(provider, shop(shop_sink))
    await signed_on(provider, visitor, shop(shop_sink))
    await visitor.sign_on(WEB.request(prompt="login"), "bob")
    assert (await claims_of(provider.http, await taken(shop_sink)))["sub"] == "alice"


async def test_a_new_password_tells_the_apps(calm: Provider, shop_sink: Sink) -> None:
    await register(calm, shop(shop_sink))
    await signed_on(calm, Visitor(calm), shop(shop_sink))
    await signed_on(calm, Visitor(calm), shop(shop_sink))
    await calm.control("user.passwd", username="alice", password="new one")
    await calm.advance(0)
    sids = {(await claims_of(calm.http, await taken(shop_sink)))["sid"] for _ in range(2)}
    assert len(sids) == 2


async def test_a_disabled_app_hears_nothing(calm: Provider, shop_sink: Sink) -> None:
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    tokens = await signed_on(calm, visitor, shop(shop_sink))
    await register(calm, shop(shop_sink, disabled=True))
    await sign_out(visitor, tokens["id_token"])
    await calm.advance(0)
    with pytest.raises(queue.Empty):
        shop_sink.take(0)


async def test_the_person_signing_in_again_is_told_of_with_a_new_sid(calm: Provider, shop_sink: Sink) -> None:
    await register(calm, shop(shop_sink))
    visitor = Visitor(calm)
    sids = []
    for _ in range(2):
        tokens = await signed_on(calm, visitor, shop(shop_sink))
        await sign_out(visitor, tokens["id_token"])
        await calm.advance(0)
        sids.append((await claims_of(calm.http, await taken(shop_sink)))["sid"])
    assert len(set(sids)) == 2


async def test_stopping_right_after_a_sign_out_stops(tmp_path: Path) -> None:
    async with asyncio.timeout(10):
        async with Provider(data_dir=tmp_path) as provider:
            await register(provider, WEB)
            visitor = Visitor(provider)
            tokens = await signed_on(provider, visitor, WEB)
            await sign_out(visitor, tokens["id_token"])

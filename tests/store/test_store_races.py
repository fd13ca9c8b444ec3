"""One-time values under 32 parallel tries: exactly one success, whatever order they come in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import Connection
from store_values import APP, DAY, House, follow
from support import WEB, App, Page, Visitor

from idp.protocol.errors import Refused
from idp.store import authorization, codes, logout, refresh, registry, sessions, tokens
from idp.store.codes import Grant
from idp.store.schema import consents, spent_values
from idp.store.spent import spend
from idp.store.sweep import START, sweep
from idp.testing import RunningServer, running_server

pytestmark = pytest.mark.anyio

TRIES = 32


async def scattered(tries: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """All of them at once, spread over several turns of the loop, so that some share a commit and some do not."""

    async def one(index: int, attempt: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(index % 5):
            await asyncio.sleep(0)
        return await attempt()

    return await asyncio.gather(*(one(index, attempt) for index, attempt in enumerate(tries)))


# -- at the store


async def test_a_code_is_redeemed_once_and_the_rest_are_replays(house: House) -> None:
    new = house.code(house.sign_in())
    assert new is not None
    asked = [house.redemption(new.code, f"h{number}", b"s") for number in range(TRIES)]
    tries = [lambda ask=ask: house.database.write(codes.redeem, house.journal, ask) for ask in asked]
    answers = await scattered(tries)
    assert sum(isinstance(answer, Grant) for answer in answers) == 1
    assert {answer.error for answer in answers if isinstance(answer, Refused)} == {"invalid_grant"}
    families = [house.read(tokens.family, ask.handle) for ask in asked]
    assert sum(row is not None for row in families) == 1
    assert house.read(tokens.standing, new.grant_id, "jti") is None, "the replays ended what it bought"
    assert house.events("code.replayed") == 1


async def family(house: House) -> tuple[str, bytes, str]:
    new = house.code(house.sign_in())
    assert new is not None
    secret = hashlib.sha256(house.name("secret").encode()).digest()
    handle = house.name("handle")
    assert isinstance(house.write(codes.redeem, house.journal, house.redemption(new.code, handle, secret)), Grant)
    return handle, secret, new.grant_id


@pytest.mark.parametrize("grace", [0.0, 30.0])
async def test_a_refresh_token_has_one_successor(house: House, grace: float) -> None:
    handle, secret, grant_id = await family(house)
    ask = house.use(handle, secret, grace=grace)
    answers = await scattered([lambda: house.database.write(refresh.refresh, house.journal, ask)] * TRIES)
    good = sum(isinstance(answer, Grant) for answer in answers)
    row = house.read(tokens.family, handle)
    assert row["generation"] == 1
    assert row["secret_hash"] == hashlib.sha256(follow(secret)).digest()
    alive = house.read(tokens.standing, grant_id, "jti") is not None
    assert (good, alive) == ((TRIES, True) if grace else (1, False))
    assert house.events("refresh.replayed") == (0 if grace else 1)


async def test_a_code_spent_between_reading_and_spending_is_a_replay(house: House) -> None:
    """What another node could do at the worst moment: ``narrow`` runs after the row was read and before it is spent."""
    new = house.code(house.sign_in())
    assert new is not None
    inner: list[Any] = []

    def meanwhile(connection: Connection) -> Any:
        def redeem_too(grant: Grant) -> None:
            inner.append(codes.redeem(connection, house.journal, house.redemption(new.code, "inner", b"s")))

        return codes.redeem(
            connection, house.journal, replace(house.redemption(new.code, "outer", b"s"), narrow=redeem_too)
        )

    outer = house.write(meanwhile)
    assert isinstance(inner[0], Grant)
    assert isinstance(outer, Refused)
    assert house.read(tokens.family, "outer") is None
    assert house.read(tokens.standing, new.grant_id, "jti") is None


@pytest.mark.parametrize("grace", [0.0, 30.0])
async def test_a_token_rotated_between_reading_and_rotating(house: House, grace: float) -> None:
    handle, secret, grant_id = await family(house)
    inner: list[Any] = []

    def meanwhile(connection: Connection) -> Any:
        def refresh_too(grant: Grant) -> None:
            if not inner:
                inner.append(None)
                inner[0] = refresh.refresh(connection, house.journal, house.use(handle, secret, grace=grace))

        ask = replace(house.use(handle, secret, grace=grace), narrow=refresh_too)
        return refresh.refresh(connection, house.journal, ask)

    outer = house.write(meanwhile)
    assert isinstance(inner[0], Grant)
    assert isinstance(outer, Grant if grace else Refused)
    assert house.read(tokens.family, handle)["generation"] == 1
    assert (house.read(tokens.standing, grant_id, "jti") is not None) is (grace > 0)


async def test_a_value_is_spent_once(house: House) -> None:
    answers = await scattered([lambda: house.database.write(spend, "kind", "value", house.now + 60)] * TRIES)
    assert sorted(answers) == [False] * (TRIES - 1) + [True]


async def test_an_answered_page_gives_one_code(house: House) -> None:
    known = house.known(house.sign_in())
    assert known is not None
    tries = []
    for _ in range(TRIES):
        new = replace(house.new_code(known), transaction="t", transaction_expires_at=house.now + 3600)
        tries.append(lambda new=new: house.database.write(authorization.issue_code, house.journal, new))
    assert [sid is None for sid in await scattered(tries)].count(False) == 1
    assert house.events("authorization.granted") == 1


async def test_a_page_is_allowed_or_denied_never_both(house: House) -> None:
    known = house.known(house.sign_in())
    assert known is not None
    allow = replace(
        house.new_code(known),
        transaction="t",
        transaction_expires_at=house.now + 3600,
        consented=True,
        remember=True,
    )

    def deny() -> Awaitable[bool]:
        return house.database.write(
            authorization.deny,
            house.journal,
            transaction="t",
            expires_at=house.now + 3600,
            client_id="app",
            account_id="alice",
            now=house.now,
        )

    def agree() -> Awaitable[str | None]:
        return house.database.write(authorization.issue_code, house.journal, allow)

    answers = await scattered([deny, agree] * (TRIES // 2))
    assert len([answer for answer in answers if answer]) == 1
    assert house.events("consent.denied") + house.events("consent.granted") == 1


async def test_an_app_joins_a_session_once(house: House) -> None:
    known = house.known(house.sign_in())
    assert known is not None
    news = [house.new_code(known) for _ in range(TRIES)]
    tries = [lambda new=new: house.database.write(authorization.issue_code, house.journal, new) for new in news]
    assert all(await scattered(tries))
    grants = [house.write(codes.redeem, house.journal, house.redemption(n.code, n.code, b"s")) for n in news]
    assert len({grant.sid for grant in grants}) == 1


async def test_two_tabs_that_allow_at_once_are_both_remembered(house: House) -> None:
    """Remembered consents grow, whichever page is answered first."""
    known = house.known(house.sign_in())
    assert known is not None
    scopes = [f"s{number}" for number in range(TRIES)]
    tries = []
    for scope in scopes:
        new = house.new_code(known)
        request = replace(new.request, scope=("openid", scope))
        new = replace(new, request=request, consented=True, remember=True)
        tries.append(lambda new=new: house.database.write(authorization.issue_code, house.journal, new))
    assert all(await scattered(tries))
    (row,) = house.read(lambda c: c.execute(sa.select(consents.c.scope)).all())
    assert row.scope.split() == sorted(["openid", *scopes])


async def test_an_end_that_comes_many_times_is_one(house: House) -> None:
    known = house.known(house.sign_in())
    assert known is not None
    end = lambda: house.database.write(sessions.end, house.journal, known.session.id, house.now, reason="test")  # noqa: E731
    await scattered([end] * TRIES)
    assert house.events("session.ended") == 1


async def test_a_delivery_is_claimed_by_one(house: House) -> None:
    """Two nodes that look at the outbox together never send the same logout."""
    told = replace(APP, backchannel_logout_uri="https://app.test/bye")
    house.write(registry.put_client, house.journal, told, house.now)
    for _ in range(8):
        cookie = house.sign_in()
        house.code(cookie)
        known = house.known(cookie)
        assert known is not None
        house.write(sessions.end, house.journal, known.session.id, house.now, reason="test")
    claims = await scattered([lambda: house.database.write(logout.claim_due, house.now, 3)] * TRIES)
    claimed = [delivery.jti for found in claims for delivery in found]
    assert (len(claimed), len(set(claimed))) == (8, 8)


async def test_sweeps_at_once_do_not_disturb_each_other_or_the_traffic(house: House) -> None:
    for number in range(60):
        house.write(spend, "kind", f"v{number}", house.now - 1)
        house.sign_in(lifetime=1)
    house.now += 2 * DAY

    async def a_pass() -> None:
        place = START
        while place is not None:
            _, place = await house.database.write(sweep, house.now, place, 25)

    sweeps = [a_pass] * 8
    spends = [lambda n=n: house.database.write(spend, "new", f"{n}", house.now + 60) for n in range(8)]
    answers = await scattered([*sweeps, *spends])
    assert all(answer is True for answer in answers[8:])
    counted = house.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(spent_values)).scalar())
    assert counted == 8


# -- over sockets, the last byte of every request sent together


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server(lifetimes__refresh_grace=0) as server:
        server.apply(WEB.toml())
        yield server


def together(running: RunningServer, path: str, form: dict[str, str], headers: dict[str, str]) -> list[tuple[int, Any]]:
    """Status and body of ``TRIES`` equal POSTs whose last bytes leave at the same moment."""
    body = urlencode(form)
    lines = {"host": urlsplit(running.issuer).netloc, "connection": "close", **headers}
    lines |= {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    whole = f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode()
    address = ("127.0.0.1", urlsplit(running.issuer).port or 80)
    wires = [socket.create_connection(address, timeout=20) for _ in range(TRIES)]
    for wire in wires:
        wire.sendall(whole[:-1])
    for wire in wires:
        wire.sendall(whole[-1:])
    answers = []
    for wire in wires:
        with wire, wire.makefile("rb") as stream:
            status, _, rest = stream.read().partition(b"\r\n")
            head_of, _, content = rest.partition(b"\r\n\r\n")
            answers.append((int(status.split()[1]), content or head_of))
    return answers


def basic(app: App) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{app.client_id}:{app.secret}".encode()).decode()}


async def code_of(running: RunningServer, **changes: str) -> str:
    visitor = Visitor(running)
    answer = await visitor.sign_on(WEB.request(scope="openid offline_access", **changes))
    await visitor.aclose()
    return answer.code


async def test_over_sockets_a_code_is_redeemed_once(running: RunningServer) -> None:
    for _ in range(3):
        form = {
            "grant_type": "authorization_code",
            "code": await code_of(running),
            "redirect_uri": WEB.redirect_uri,
            "code_verifier": "verifier-0123456789-verifier-0123456789-verif",
        }
        answers = await asyncio.to_thread(together, running, "/token", form, basic(WEB))
        assert sorted(status for status, _ in answers) == [200] + [400] * (TRIES - 1)


async def test_over_sockets_a_refresh_token_is_used_once(running: RunningServer) -> None:
    for _ in range(3):
        visitor = Visitor(running)
        tokens_now = (await WEB.redeem(visitor.http, await code_of(running))).json()
        form = {"grant_type": "refresh_token", "refresh_token": tokens_now["refresh_token"]}
        answers = await asyncio.to_thread(together, running, "/token", form, basic(WEB))
        assert sorted(status for status, _ in answers) == [200] + [400] * (TRIES - 1)
        newer = next(json.loads(body) for status, body in answers if status == 200)
        assert await WEB.introspect(visitor.http, newer["access_token"]) == {"active": False}
        await visitor.aclose()


async def test_over_sockets_a_page_is_answered_once(running: RunningServer) -> None:
    visitor = Visitor(running)
    await visitor.sign_on(WEB.request())
    stop = await visitor.authorize(WEB.request(prompt="consent"))
    assert isinstance(stop, Page)
    assert stop.id == "consent"
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    headers = {"cookie": cookie, "origin": running.issuer}
    form = {**stop.fields, "decision": "allow"}
    answers = await asyncio.to_thread(together, running, "/consent", form, headers)
    assert sorted(status for status, _ in answers) == [303] + [400] * (TRIES - 1)
    await visitor.aclose()

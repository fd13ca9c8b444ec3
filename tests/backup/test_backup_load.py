"""Twenty backups and restores under load: all that was answered before a backup began is in it, and nothing is half.

The clients keep a journal: a line is written when an answer has arrived. What the journal held when a backup was asked
for must be found in the database made from it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from homes import OFFLINE, Home, Rows, backup, refreshed
from support import WEB, App, Visitor, add_person, register

from idp.grants.refresh_token import parse_refresh_token
from idp.store.schema import metadata
from idp.testing import Provider

pytestmark = [pytest.mark.anyio, pytest.mark.long, pytest.mark.timeout(600)]

ROUNDS = 20
SHOP = App(
    "web",
    WEB.redirect_uri,
    WEB.secret,
    members={"client_name": "Web shop", "id_token_signed_response_alg": "ES256"},
)


@dataclass
class Journal:
    """What clients were answered."""

    spent: list[bytes] = field(default_factory=list)  # hashes of codes
    generations: dict[str, int] = field(default_factory=dict)  # of families, by handle
    newest: dict[str, str] = field(default_factory=dict)  # each family's newest token
    revoked: list[str] = field(default_factory=list)  # handles
    people: list[str] = field(default_factory=list)
    tokens: int = 0

    def copy(self) -> Journal:
        return Journal(
            [*self.spent], {**self.generations}, {**self.newest}, [*self.revoked], [*self.people], self.tokens
        )


def handle_of(token: str) -> str:
    parsed = parse_refresh_token(token)
    assert parsed
    return parsed[0]


@dataclass
class Traffic:
    """Tasks that use the provider as fast as it answers, until they are told to stop."""

    provider: Provider
    journal: Journal = field(default_factory=Journal)
    names: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))
    open: asyncio.Event = field(default_factory=asyncio.Event)  # closed while a test looks, so that it has an end

    async def families(self) -> None:
        """Sign in, redeem, refresh some times, revoke every third one."""
        visitor = Visitor(self.provider)
        while await self.open.wait():
            code = (await visitor.sign_on(SHOP.request(**OFFLINE))).code
            answer = await SHOP.redeem(visitor.http, code)
            assert answer.status_code == 200, answer.text
            self.journal.spent.append(hashlib.sha256(code.encode()).digest())
            token = str(answer.json()["refresh_token"])
            handle = handle_of(token)
            self.journal.generations[handle], self.journal.newest[handle] = 0, token
            for _ in range(6):
                await self.open.wait()
                token = str((await refreshed(self.provider, token))["refresh_token"])
                self.journal.generations[handle] += 1
                self.journal.newest[handle] = token
            if next(self.names) % 3 == 0:
                assert (await SHOP.revoke(visitor.http, token)).status_code == 200
                self.journal.revoked.append(handle)

    async def machines(self) -> None:
        while await self.open.wait():
            answer = await SERVICE.token(self.provider.http, "client_credentials")
            assert answer.status_code == 200
            self.journal.tokens += 1
            await asyncio.sleep(0.002)  # in-process such a request never waits for anything, and would run alone

    async def people(self) -> None:
        while await self.open.wait():
            name = f"p{next(self.names)}"
            await add_person(self.provider, name)
            self.journal.people.append(name)
            await asyncio.sleep(0.1)  # a password costs a processor 20 ms


SERVICE = App(
    "machine",
    secret="secret-of-the-machine-0123456789",
    scope="",
    grant_types=("client_credentials",),
)


async def test_twenty_backups_under_load_lose_nothing_that_was_answered(kind: str, homes: Any, tmp_path: Path) -> None:
    here, there = homes(kind), homes(kind)
    async with here.provider() as provider:
        await register(provider, SHOP, SERVICE)
        traffic = Traffic(provider)
        tasks = [asyncio.create_task(work()) for work in (traffic.families,) * 4 + (traffic.machines, traffic.people)]
        try:
            for number in range(ROUNDS):
                traffic.open.set()
                await going_on(traffic.journal, tasks)
                before = traffic.journal.copy()
                file = tmp_path / f"backup-{number}"
                await backup(provider, file)
                traffic.open.clear()
                assert not any(task.done() for task in tasks)
                await there.restore(file, replace=number > 0, keep_sessions=True)
                await check(before, there.rows_in(file), await there.rows())
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
        last = traffic.journal.copy()
        await backup(provider, tmp_path / "last")
    await goes_on(there, tmp_path / "last", last)


async def going_on(journal: Journal, tasks: list[Any]) -> None:
    """Some more answers of every kind since the last round."""
    seen = journal.copy()
    while (
        len(journal.spent) < len(seen.spent) + 3
        or sum(journal.generations.values()) < sum(seen.generations.values()) + 10
        or journal.tokens < seen.tokens + 5
        or len(journal.people) == len(seen.people)
    ):
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.005)


async def check(before: Journal, inside: Rows, restored: Rows) -> None:
    """``inside`` is what the file holds, ``restored`` what became of it (codes are gone there)."""
    assert inside["accounts"] == restored["accounts"]
    spent = {row["hash"] for row in named("codes", inside) if row["spent_at"] is not None}
    assert set(before.spent) <= spent
    families = {row["handle"]: row for row in named("refresh_tokens", restored)}
    late = [h for h, generation in before.generations.items() if families[h]["generation"] < generation]
    assert not late
    grants = {row["id"]: row for row in named("grants", restored)}
    assert all(grants[families[handle]["grant_id"]]["revoked_at"] for handle in before.revoked)
    assert set(before.people) <= {row["username"] for row in named("accounts", restored)}
    # Whole or not at all: a family with its grant, a code with its grant, a spent code with what it bought, a line of
    # the audit with what it tells of.
    assert {row["grant_id"] for row in families.values()} <= grants.keys()
    codes = named("codes", inside)
    assert {row["grant_id"] for row in codes} == grants.keys()
    bought = {row["grant_id"] for row in codes if row["spent_at"] is not None}
    assert bought == {row["grant_id"] for row in families.values()}
    told = [row["event"] for row in named("audit", inside)]
    assert told.count("authorization.granted") == len(grants)
    assert told.count("account.created") == len(inside["accounts"])
    assert told.count("grant.revoked") == sum(row["revoked_at"] is not None for row in grants.values())


def named(table: str, rows: Rows) -> list[dict[str, Any]]:
    names = list(metadata.tables[table].c.keys())
    return [dict(zip(names, row, strict=True)) for row in rows.get(table, ())]


async def goes_on(there: Home, file: Path, last: Journal) -> None:
    """The world stood still at the last one: every client goes on with the token it holds."""
    await there.restore(file, replace=True, keep_sessions=True)
    async with there.provider() as provider:
        for handle, token in last.newest.items():
            answer = await SHOP.refresh(provider.http, token)
            assert answer.status_code == (400 if handle in last.revoked else 200)

"""The audit is forgotten after its days, oldest first, in bounded batches; or never."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from idp.store import migrate
from idp.store.audit import Journal, forget
from idp.store.schema import audit
from idp.testing import Provider

DAY = 86_400.0


def times(database: Any) -> list[float]:
    return list(database.read_now(lambda c: c.execute(sa.select(audit.c.at).order_by(audit.c.at)).scalars().all()))


def test_the_oldest_go_first_and_no_more_than_a_batch(store: Any) -> None:
    database = store
    database.write_now(migrate.to_head)
    journals = [Journal("one"), Journal("two")]
    for day in (5, 3, 1, 4, 2, 6):
        for journal in journals:
            database.write_now(journal.record, day * DAY, "server.started")
    assert database.write_now(forget, 4 * DAY, 4) == 4
    assert times(database) == [day * DAY for day in (3, 3, 4, 4, 5, 5, 6, 6)]
    assert database.write_now(forget, 4 * DAY, 4) == 2
    assert times(database) == [day * DAY for day in (4, 4, 5, 5, 6, 6)], "what is exactly as old stays"
    assert database.write_now(forget, 4 * DAY, 4) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(("days", "stays"), [(30, False), (0, True)])
async def test_the_setting_is_what_the_job_goes_by(days: int, stays: bool) -> None:
    async with Provider(audit_days=days) as provider:
        await provider.advance(29 * DAY)
        assert "account.created" in await events(provider)
        await provider.advance(2 * DAY)
        assert ("account.created" in await events(provider)) is stays


async def events(provider: Provider) -> list[str]:
    return [event["event"] for event in (await provider.control("audit.tail", limit=1000))["events"]]

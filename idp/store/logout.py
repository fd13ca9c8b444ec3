"""The outbox of back-channel logout (decision 24): written with the session's end, claimed by lease, kept a month."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client
from idp.store.audit import Journal
from idp.store.schema import clients, logout_deliveries, session_clients, sessions

LEASE_SECONDS = 15.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One logout token to bring to one client. ``attempts`` counts the tries before this one."""

    jti: str
    client_id: str
    account_id: str
    sid: str
    uri: str
    created_at: float
    attempts: int
    tries: str | None = None


def queue_deliveries(connection: Connection, session_id: str, account_id: str, now: float) -> int:
    """One row for each client of the session that registered a back-channel address."""
    rows = connection.execute(
        sa.select(session_clients.c.sid, clients.c.data)
        .join(clients, clients.c.client_id == session_clients.c.client_id)
        .where(session_clients.c.session_id == session_id)
    ).all()
    addressed = [(client, sid) for sid, data in rows if (client := _told(data))]
    for client, sid in addressed:
        connection.execute(sa.insert(logout_deliveries).values(_delivery(client, session_id, account_id, sid, now)))
    return len(addressed)


def queue_for_all(connection: Connection, now: float) -> int:
    """The same for every open session at once, for who ends them all; some hundred rows at a time."""
    rows = connection.execute(sa.select(clients.c.client_id, clients.c.data)).all()
    told = {client_id: client for client_id, data in rows if (client := _told(data))}
    open_ones = (
        sa.select(session_clients, sessions.c.account_id)
        .join(sessions, sessions.c.id == session_clients.c.session_id)
        .where(sessions.c.ended_at.is_(None), sessions.c.expires_at > now)
        .order_by(session_clients.c.sid)
        .limit(_AT_ONCE)
    )
    queued, after = 0, ""
    while found := connection.execute(open_ones.where(session_clients.c.sid > after)).mappings().all():
        values = [
            _delivery(told[row["client_id"]], row["session_id"], row["account_id"], row["sid"], now)
            for row in found
            if row["client_id"] in told
        ]
        if values:
            connection.execute(sa.insert(logout_deliveries), values)
        queued, after = queued + len(values), found[-1]["sid"]
    return queued


def _told(data: bytes) -> Client | None:
    """The client, if it is one that hears of logouts."""
    client = msgspec.json.decode(data, type=Client)
    return None if client.backchannel_logout_uri is None or client.disabled else client


def _delivery(client: Client, session_id: str, account_id: str, sid: str, now: float) -> dict[str, Any]:
    return {
        # Derived, so that ending a session queues one delivery a client however often it is tried.
        "jti": hashlib.sha256(f"{session_id} {client.client_id}".encode()).hexdigest()[:32],
        "client_id": client.client_id,
        "account_id": account_id,
        "sid": sid,
        "uri": client.backchannel_logout_uri,
        "created_at": now,
        "due_at": now,
        "claimed_until": 0.0,
        "attempts": 0,
    }


def claim_due(connection: Connection, now: float, limit: int = 20) -> list[Delivery]:
    """Take the due deliveries nobody holds; the lease runs out by itself if this process dies."""
    table = logout_deliveries
    waiting = (table.c.delivered_at.is_(None), table.c.given_up_at.is_(None))
    due = (
        sa.select(table.c.jti)
        .where(*waiting, table.c.due_at <= now, table.c.claimed_until <= now)
        .order_by(table.c.due_at)
        .limit(limit)
    )
    jtis = connection.execute(due).scalars().all()
    if not jtis:
        return []
    claim = (
        sa.update(table)
        .where(table.c.jti.in_(jtis), table.c.claimed_until <= now)
        .values(claimed_until=now + LEASE_SECONDS)
        .returning(table)
    )
    names = Delivery.__dataclass_fields__
    return [Delivery(**{name: row[name] for name in names}) for row in connection.execute(claim).mappings()]


def settle(
    connection: Connection, journal: Journal, delivery: Delivery, now: float, answer: str, next_try: float | None
) -> None:
    """Write how a try went: ``next_try`` None means it arrived, or (with a failing answer) that it is given up."""
    arrived = answer in ("200", "204")
    line = f"{now - delivery.created_at:.1f} {answer[:255]}"
    values: dict[str, Any] = {
        "attempts": delivery.attempts + 1,
        "last_answer": answer[:255],
        "tries": f"{delivery.tries}\n{line}" if delivery.tries else line,
        "claimed_until": 0.0,
    }
    if arrived:
        values["delivered_at"] = now
    elif next_try is None:
        values["given_up_at"] = now
    else:
        values["due_at"] = next_try
    connection.execute(sa.update(logout_deliveries).where(logout_deliveries.c.jti == delivery.jti).values(values))
    journal.record(
        connection,
        now,
        "logout.delivered" if arrived else "logout.failed",
        client_id=delivery.client_id,
        account_id=delivery.account_id,
        sid=delivery.sid,
        answer=answer,
        after_seconds=round(now - delivery.created_at, 3),
        attempt=delivery.attempts + 1,
        next_try_in=None if next_try is None else round(next_try - now),
    )


def pending(connection: Connection) -> int:
    """How many have not arrived and are not given up."""
    table = logout_deliveries
    waiting = sa.select(sa.func.count()).where(table.c.delivered_at.is_(None), table.c.given_up_at.is_(None))
    return connection.execute(waiting.select_from(table)).scalar_one()


def deliveries(connection: Connection, limit: int = 50) -> Sequence[dict[str, Any]]:
    """The newest deliveries, for the operator."""
    table = logout_deliveries
    rows = connection.execute(sa.select(table).order_by(table.c.created_at.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]

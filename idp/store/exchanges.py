"""What is kept of a token exchange: the audit line that says who acts for whom, where."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from idp.store.audit import Journal


@dataclass(frozen=True, slots=True)
class Exchange:
    """``shown_by`` is the app whose token it was; ``actor`` is empty where the client impersonates."""

    client_id: str
    account_id: str
    grant_id: str
    shown_by: str
    target: str
    actor: str


def record_exchange(connection: Connection, journal: Journal, exchange: Exchange, now: float) -> None:
    journal.record(
        connection,
        now,
        "token.exchanged",
        client_id=exchange.client_id,
        account_id=exchange.account_id,
        grant=exchange.grant_id,
        shown_by=exchange.shown_by,
        target=exchange.target,
        actor=exchange.actor,
    )

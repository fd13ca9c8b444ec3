"""The audit journal (decision 23): decisions are written in the transaction they belong to, counts in batches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.schema import audit
from idp.store.statements import Prepared

# The catalogue: every event this server can write, and what it means. docs/events.md is checked against it.
EVENTS: Mapping[str, str] = {
    "server.started": "A process opened the database and began to serve.",
    "account.created": "A person was added, or (where a network is named) made an account of their own.",
    "accounts.imported": "A batch of people came from another system; each created account has its own line besides.",
    "account.changed": "A person's claims or password were changed by an operator, or the password by themselves.",
    "account.disabled": "A person may no longer sign in; their tokens are refused at our endpoints.",
    "account.logged_out": "An operator ended every session and grant of a person.",
    "account.removed": "A person was removed, with their sessions, grants and consents.",
    "account.unlocked": "An operator emptied the bucket of a person's failed sign-ins.",
    "client.created": "An app was registered.",
    "client.changed": "An app's registration was changed.",
    "client.disabled": "An app was disabled: its requests and tokens are refused at our endpoints; its grants stay.",
    "client.removed": "An app was removed; its grants are revoked and what people allowed it is forgotten.",
    "client.secret_added": "A second secret of an app is valid, beside the one it had.",
    "client.secret_retired": "A secret of an app is no longer valid.",
    "client.registered": "An app registered itself over HTTP; the initial access token it used is named.",
    "client.updated": "An app that registered itself changed its registration, by its registration access token.",
    "client.unregistered": "An app that registered itself was removed by its owner, or because nobody ever used it.",
    "registration.token_added": "An operator made an initial access token.",
    "registration.token_removed": "An operator removed an initial access token.",
    "registration.token_exhausted": "An initial access token was used for the last time it allowed.",
    "client.document": "An app known by its document got its first code from this process, or had a new document.",
    "resource.changed": "A resource server was registered or changed.",
    "resource.removed": "A resource server was removed.",
    "scope.changed": "A scope was added or changed.",
    "session.started": "A person signed in at a browser.",
    "session.ended": "A session ended: signed out, ended on the person's own page, replaced, or ended by an operator.",
    "login.failed": "A sign-in was refused; the account is named where it exists.",
    "login.throttled": "Sign-ins and device codes refused unseen as too many had failed, in the last minute, by limit.",
    "authorization.granted": "A code was issued to an app for a person.",
    "consent.granted": "A person allowed an app.",
    "consent.denied": "A person said no to an app.",
    "consent.withdrawn": "A person took back what they allowed an app; its grants are revoked.",
    "token.exchanged": "An app got a token to act for a person at another resource, for one it was shown.",
    "authorization.asserted": "An app got a token for a person by the word of an issuer it may bring assertions of.",
    "code.replayed": "A code was used twice; everything it bought is revoked.",
    "refresh.replayed": "A refresh token older than its grace was used; the family is revoked.",
    "grant.revoked": "A grant was revoked at the revocation endpoint or by an operator.",
    "token.revoked": "One access token was revoked.",
    "client.refused": "A request of a proved, confidential client was refused.",
    "tokens.issued": "Tokens issued since the last line, counted by client and grant type.",
    "requests.refused": "Refusals of parties that proved nothing, in the last minute, counted by app named and error.",
    "operator.token": "An operator issued a token for a person from the command line.",
    "operator.probe": "An operator had deliberately wrong tokens signed, to try them on an API.",
    "logout.delivered": "A client confirmed a back-channel logout.",
    "logout.failed": "A back-channel logout did not reach its client; it is tried again unless given up.",
    "backup.made": "A backup was written to a file.",
    "backup.restored": "This database was made from a backup, or moved here from another one.",
    "key.created": "A signing key was made; it is published and waits.",
    "key.rotated": "A waiting signing key was promoted by an operator.",
    "key.revoked": "A signing key was withdrawn at once.",
    "key.rewrapped": "Everything sealed was sealed anew under another key-encryption key.",
    "key.deleted": "A retired key's record was deleted at the end of its life.",
}

_INSERT = Prepared(sa.insert(audit))


@dataclass(frozen=True, slots=True)
class Kept:
    """What waits in memory of one event: single ones with their time and account, and counts by client and kind."""

    event: str
    later: tuple[tuple[float, str, str], ...]
    counts: Mapping[tuple[str, str, str], int]


class Journal:
    """Numbers this process's events. ``writer`` is unique to the process; ``seq`` counts from 1."""

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self._seq = 0
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._later: list[tuple[float, str, str]] = []

    def record(
        self,
        connection: Connection,
        at: float,
        event: str,
        *,
        client_id: str | None = None,
        account_id: str | None = None,
        **detail: Any,
    ) -> None:
        """Write one event in the caller's transaction. ``detail`` never holds a secret. KeyError if uncatalogued."""
        EVENTS[event]
        self._seq += 1
        _INSERT.run(
            connection,
            {
                "writer": self.writer,
                "seq": self._seq,
                "at": at,
                "event": event,
                "client_id": client_id,
                "account_id": account_id,
                "detail": json.dumps(detail, separators=(",", ":")).encode(),
            },
        )

    def record_all(
        self, connection: Connection, at: float, event: str, people: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> None:
        """One event for each of many people (account id, detail), in one statement."""
        EVENTS[event]
        rows = [
            {
                "writer": self.writer,
                "seq": self._seq + number,
                "at": at,
                "event": event,
                "client_id": None,
                "account_id": account_id,
                "detail": json.dumps(detail, separators=(",", ":")).encode(),
            }
            for number, (account_id, detail) in enumerate(people, 1)
        ]
        self._seq += len(rows)
        if rows:
            connection.execute(sa.insert(audit), rows)

    def count(self, event: str, client_id: str, kind: str) -> None:
        """Add one to a count that ``flush`` will write: for what happens too often for a row each."""
        self._counts[event, client_id, kind] += 1

    def later(self, at: float, event: str, account_id: str) -> None:
        """Keep one event for ``flush``: where a write at once would tell the asker, by its time, what happened."""
        self._later.append((at, event, account_id))

    def take(self, event: str) -> Kept | None:
        """What was kept of one event since the last time; None where there is nothing."""
        later = tuple(entry for entry in self._later if entry[1] == event)
        counts = {key: number for key, number in self._counts.items() if key[0] == event}
        if not later and not counts:
            return None
        self._later = [entry for entry in self._later if entry[1] != event]
        for key in counts:
            del self._counts[key]
        return Kept(event, later, counts)

    def give_back(self, kept: Kept) -> None:
        """It could not be written: it is written with what comes next."""
        self._later = [*kept.later, *self._later]
        self._counts.update(kept.counts)

    def flush(self, connection: Connection, at: float, kept: Kept) -> None:
        """Write what was taken: each one kept, and the counts, one row a client."""
        for happened_at, _, account_id in kept.later:
            self.record(connection, happened_at, kept.event, account_id=account_id)
        by_client: dict[str, dict[str, int]] = {}
        for (_, client_id, kind), number in kept.counts.items():
            by_client.setdefault(client_id, {})[kind] = number
        for client_id, kinds in by_client.items():
            detail: dict[str, Any] = {**kinds}
            self.record(connection, at, kept.event, client_id=client_id or None, **detail)


def record_start(connection: Connection, journal: Journal, at: float, *, version: str, mode: str) -> None:
    journal.record(connection, at, "server.started", version=version, mode=mode)


def record_refusal(
    connection: Connection, journal: Journal, at: float, client_id: str, error: str, path: str, correlation_id: str
) -> None:
    journal.record(
        connection, at, "client.refused", client_id=client_id, error=error, path=path, correlation_id=correlation_id
    )


def page(
    connection: Connection, since: float, until: float, after: tuple[float, str, int] | None, limit: int
) -> list[dict[str, Any]]:
    """The next ``limit`` events of ``since <= at < until`` by (at, writer, seq), behind ``after``."""
    order = (audit.c.at, audit.c.writer, audit.c.seq)
    found = sa.select(audit).where(audit.c.at >= since, audit.c.at < until).order_by(*order).limit(limit)
    if after is not None:
        at, writer, seq = after
        later = sa.or_(audit.c.at > at, audit.c.writer > writer, sa.and_(audit.c.writer == writer, audit.c.seq > seq))
        found = found.where(audit.c.at >= at, later)
    rows = connection.execute(found).mappings()
    return [dict(row) | {"detail": json.loads(row["detail"])} for row in rows]


def tail(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest events, oldest first."""
    rows = connection.execute(sa.select(audit).order_by(audit.c.at.desc(), audit.c.seq.desc()).limit(limit)).mappings()
    return [dict(row) | {"detail": json.loads(row["detail"])} for row in reversed(rows.all())]


def forget(connection: Connection, until: float, limit: int) -> int:
    """Delete the ``limit`` oldest lines from before ``until``; answers how many went. The index on time finds them."""
    key = sa.tuple_(audit.c.writer, audit.c.seq)
    oldest = sa.select(audit.c.writer, audit.c.seq).where(audit.c.at < until).order_by(audit.c.at).limit(limit)
    return connection.execute(sa.delete(audit).where(key.in_(oldest))).rowcount

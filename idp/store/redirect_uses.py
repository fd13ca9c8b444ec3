"""When a redirect URI last carried an answer, to the day: what ``apply --plan`` warns of before one is taken away.

Kept apart from issuing codes: noting a use is a look into a dictionary, and a job writes what is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client
from idp.protocol.uris import redirect_uri_matches
from idp.store.schema import redirect_uses

DAY = 86_400.0
KEPT = 400 * DAY
BATCH = 200

Use = tuple[str, str, float]  # client_id, registered redirect URI, the day's first second

_NOTE = sa.text(
    "INSERT INTO redirect_uses (client_id, uri_hash, at) VALUES (:client_id, :uri_hash, :at)"
    " ON CONFLICT (client_id, uri_hash) DO UPDATE SET at = excluded.at WHERE redirect_uses.at < excluded.at"
)


class RedirectUses:
    """What this process has seen today. One use of each address a day goes to the database; a crash loses seconds."""

    def __init__(self) -> None:
        self._day = -1.0
        self._seen: set[tuple[str, str]] = set()
        self._pending: list[Use] = []
        self.aged = False  # a day began: rows past their time may go

    def note(self, client: Client, sent: str, now: float) -> None:
        """An answer goes to ``sent``; a loopback address counts as the registered one, whatever its port."""
        day = now - now % DAY
        if day != self._day:
            self._day, self._seen, self.aged = day, set(), True
        if (client.client_id, sent) in self._seen:
            return
        uri = next((uri for uri in client.redirect_uris if redirect_uri_matches(uri, sent)), sent)
        if (client.client_id, uri) not in self._seen:
            self._seen.add((client.client_id, uri))
            self._pending.append((client.client_id, uri, day))

    def take(self) -> list[Use]:
        """At most a batch of what is not written yet; ``give_back`` what could not be."""
        taken, self._pending = self._pending[:BATCH], self._pending[BATCH:]
        return taken

    def give_back(self, uses: Iterable[Use]) -> None:
        self._pending.extend(uses)


def write_uses(connection: Connection, uses: Sequence[Use]) -> None:
    # Sorted: two nodes that write the same rows take them in the same order.
    for client_id, uri, day in sorted(uses):
        connection.execute(_NOTE, {"client_id": client_id, "uri_hash": uri_hash(uri), "at": day})


def forget_old(connection: Connection, now: float) -> int:
    return connection.execute(sa.delete(redirect_uses).where(redirect_uses.c.at < now - KEPT)).rowcount


def last_uses(connection: Connection, client_id: str, uris: Iterable[str], since: float) -> Mapping[str, float]:
    """For each of ``uris`` that was used at ``since`` or later, the day."""
    mine = sa.select(redirect_uses.c.uri_hash, redirect_uses.c.at).where(
        redirect_uses.c.client_id == client_id, redirect_uses.c.at >= since
    )
    days = {bytes(row.uri_hash): float(row.at) for row in connection.execute(mine)}
    return {uri: days[uri_hash(uri)] for uri in uris if uri_hash(uri) in days}


def uri_hash(uri: str) -> bytes:
    return hashlib.sha256(uri.encode()).digest()

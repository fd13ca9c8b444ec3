"""Who is signed in at the backend, and with which tokens. For several processes this is a database they share."""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

LIMIT = 10_000


@dataclass
class Session:
    """``expires_at`` is by the monotonic clock. ``lock`` lets one refresh happen at a time."""

    sub: str
    sid: str | None
    name: str
    id_token: str
    access_token: str
    refresh_token: str
    expires_at: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SessionTable:
    """By the random id in the cookie; past ``LIMIT`` the one unused for longest goes."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, Session] = OrderedDict()

    def add(self, session: Session) -> str:
        key = secrets.token_urlsafe(32)  # always new: whoever knew a cookie from before the sign-in has nothing
        self._rows[key] = session
        while len(self._rows) > LIMIT:
            self._rows.popitem(last=False)
        return key

    def find(self, key: str | None) -> Session | None:
        session = self._rows.get(key or "")
        if session is not None and key is not None:
            self._rows.move_to_end(key)
        return session

    def drop(self, key: str | None) -> None:
        self._rows.pop(key or "", None)

    def end(self, sid: str | None, sub: str | None) -> None:
        """One session of the provider, or (without ``sid``) all of a person's."""
        for key, row in list(self._rows.items()):
            if row.sid == sid if sid is not None else row.sub == sub:
                self.drop(key)

"""Rows and requests the tests of this folder start from: built by the store's own functions, never by hand."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from idp.protocol.client import Account, Client
from idp.protocol.errors import Refused
from idp.protocol.prompts import Session
from idp.protocol.request import AuthorizationRequest, Target
from idp.store import accounts, authorization, codes, migrate, refresh, registry, sessions
from idp.store.audit import Journal
from idp.store.codes import Grant
from idp.store.database import Database

NOW = 1_800_000_000.0
DAY = 86_400.0
APP = Client(
    client_id="app", redirect_uris=("https://app.test/cb",), grant_types=("authorization_code", "refresh_token")
)


def follow(secret: bytes) -> bytes:
    return hmac.digest(b"key", secret, "sha256")


def allowed(grant: Grant) -> Refused | None:
    return None


@dataclass
class House:
    """One database with a person, an app and ways to use them. Names are counted, so that two houses agree."""

    database: Any  # SQLite's Database, or a Bridge to PostgreSQL
    now: float = NOW
    journal: Journal = field(default_factory=lambda: Journal("test"))
    _names: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    @classmethod
    def build(cls, path: Any = ":memory:") -> House:
        """On SQLite."""
        database = Database(path)
        database.write_now(migrate.to_head)
        return cls.furnished(database)

    @classmethod
    def furnished(cls, database: Any) -> House:
        """On an empty database with the schema."""
        house = cls(database)
        house.write(registry.put_client, house.journal, APP, NOW)
        house.write(
            accounts.put_account,
            house.journal,
            new_id="alice",
            username="alice",
            password_hash=None,
            claims={},
            now=NOW,
        )
        return house

    def write(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return self.database.write_now(operation, *args, **kwargs)

    def read(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return self.database.read_now(operation, *args, **kwargs)

    def name(self, kind: str) -> str:
        return f"{kind}-{self._names()}"

    def sign_in(self, lifetime: float = 30 * DAY) -> str:
        """A session's cookie."""
        cookie = self.name("cookie")
        new = sessions.SignIn("alice", "pwd", cookie, self.name("session"), None, self.now, lifetime)
        self.write(sessions.begin, self.journal, new)
        return cookie

    def known(self, cookie: str, idle: float = 7 * DAY) -> sessions.Known | None:
        found: sessions.Known | None = self.read(sessions.know, cookie, "app", self.now, idle)
        return found

    def new_code(self, known: sessions.Known, *, offline: bool = True, lifetime: float = 60.0) -> authorization.NewCode:
        scope = ("openid", "offline_access") if offline else ("openid",)
        client = APP if offline else Client(client_id="app", refresh="session")
        return authorization.NewCode(
            request=AuthorizationRequest(Target(client, "https://app.test/cb", None), "code", scope, ()),
            known=known,
            code=self.name("ac"),
            grant_id=self.name("grant"),
            sid=self.name("sid"),
            now=self.now,
            code_lifetime=lifetime,
            grant_lifetime=30 * DAY,
        )

    def code(self, cookie: str, **options: Any) -> authorization.NewCode | None:
        """A code for whoever is signed in, None if nobody is any more."""
        known = self.known(cookie)
        if known is None:
            return None
        new = self.new_code(known, **options)
        assert self.write(authorization.issue_code, self.journal, new)
        return new

    def redemption(self, code: str, handle: str, secret: bytes, *, idle: float = DAY) -> codes.Redemption:
        return codes.Redemption(
            code=code,
            client=APP,
            redirect_uri="https://app.test/cb",
            challenge=None,
            narrow=allowed,
            earns_refresh=lambda grant: True,
            handle=handle,
            secret_hash=hashlib.sha256(secret).digest(),
            now=self.now,
            idle=idle,
        )

    def use(self, handle: str, secret: bytes, *, grace: float = 30.0, idle: float = DAY) -> refresh.Refresh:
        return refresh.Refresh(
            handle=handle,
            secret=secret,
            client=APP,
            narrow=allowed,
            follow=follow,
            grace=grace,
            idle=idle,
            now=self.now,
        )

    def events(self, event: str) -> int:
        from idp.store.audit import tail

        return [line["event"] for line in self.read(tail, 10_000)].count(event)


def session_of(account_id: str = "alice") -> Session:
    return Session("session", account_id, NOW, ("pwd",), NOW + DAY)


def account() -> Account:
    return Account(id="alice", username="alice", claims={})

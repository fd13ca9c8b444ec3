"""What every part of the provider shares: one value of settings, clock, randomness, store, keys, and plain tables.

It decides nothing. ``app.build`` fills the tables from the list of features; nobody changes them afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from idp.jose import KeySetCaches
from idp.jose.encoding import b64url
from idp.keyring import Keyring
from idp.keyring.issuing import Issuer
from idp.keyring.subjects import subject_of
from idp.outbound import Outbound
from idp.outbound_kept import Kept
from idp.protocol.acr import Levels
from idp.protocol.authorization import Authorization
from idp.protocol.claims import STANDARD_SCOPES
from idp.protocol.client import Client, Resource, Scope
from idp.protocol.errors import Refused
from idp.protocol.fapi2 import applied
from idp.protocol.holder import Holder
from idp.protocol.parameters import Parameters
from idp.protocol.request import Check, Rules
from idp.server_hooks import NO_HOOKS, Hooked
from idp.server_meters import Meters, NoMeters
from idp.settings import Settings
from idp.store.audit import Journal
from idp.store.database import Store
from idp.store.redirect_uses import RedirectUses
from idp.store.registrations import FirstUses
from idp.store.registry import current_epoch, find_client, load_resources, load_scopes

T = TypeVar("T")
MAX_CLIENT_ID = 255
_KEPT_CLIENTS = 10_000


class TokenRequest(msgspec.Struct, frozen=True):
    """A token request whose client is proved. The grant sees neither HTTP nor token formats."""

    client: Client
    parameters: Parameters
    now: float
    holder: Holder | None = None


GrantFunction = Callable[[TokenRequest, "Server"], Awaitable[Authorization]]


class PasswordHasher(Protocol):
    """Bounded hashing of human passwords; raises ``Busy`` when there is no room (decision 15)."""

    costs_due: float

    async def verify(self, stored: str | None, password: str, name: str = "") -> bool: ...
    async def hash(self, password: str) -> str: ...
    def is_weak(self, stored: str) -> bool: ...
    def supersedes(self, stored: str | None, elsewhere: str) -> bool: ...
    def cost_of(self, stored: str) -> str: ...
    @property
    def knows_costs(self) -> bool: ...
    def learn_costs(self, key: bytes, shares: Mapping[str, tuple[str, int]]) -> None: ...
    def close(self) -> None: ...


class ClientSource(Protocol):
    """Where clients that nobody registered are known from; asked for an id once no registered client has it."""

    def known(self, server: Server, client_id: str) -> Client | None: ...

    async def find(self, server: Server, client_id: str, network: str) -> Client | None: ...


class Turnstile(Protocol):
    """What stands before the hashing threads: a bounded line, and who was just refused (decision 16)."""

    def turn(self, key: bytes) -> AbstractAsyncContextManager[None]: ...
    def refused(self, keys: Iterable[bytes], now: float) -> tuple[bytes, float] | None: ...
    def refuse(self, key: bytes, now: float, wait: float) -> None: ...
    def open(self, keys: Iterable[bytes]) -> None: ...




@dataclass(slots=True)
class Registry:
    """Resources and scopes as last read, the clients asked for since, and the epoch all of it was read at."""

    epoch: int = -1
    clients: dict[str, Client] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    rules: Rules | None = None


@dataclass(slots=True)
class Server:
    settings: Settings
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    database: Store
    journal: Journal
    keyring: Keyring
    outbound: Outbound
    client_keys: KeySetCaches
    passwords: PasswordHasher
    turnstile: Turnstile
    issuer_of_tokens: Issuer
    grants: Mapping[str, GrantFunction]
    checks: Sequence[Check]
    response_types: frozenset[str]
    response_modes: frozenset[str]
    prompts: frozenset[str]
    metadata: Mapping[str, Any]
    client_sources: Sequence[ClientSource] = ()
    registry: Registry = field(default_factory=Registry)
    redirect_uses: RedirectUses = field(default_factory=RedirectUses)
    first_uses: FirstUses = field(default_factory=FirstUses)
    request_uris: Kept = field(default_factory=Kept)  # documents clients name by request_uri (RFC 9101 5.2)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    leaving: bool = False  # this process drains: /readyz says so, and a balancer sends it nothing new
    meters: Meters = field(default_factory=NoMeters)
    hooks: Hooked = NO_HOOKS
    registry_read_at: float = -math.inf

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    @property
    def dev(self) -> bool:
        return self.settings.mode == "dev"

    def now(self) -> float:
        return self.clock()

    def random_id(self, size: int = 16) -> str:
        """``size`` random bytes as base64url text (16 for names, 32 for secrets)."""
        return b64url(self.randomness(size)).decode("ascii")

    @property
    def rules(self) -> Rules:
        if self.registry.rules is None:
            raise RuntimeError("the registry was not loaded: reload_registry() runs at start")
        return self.registry.rules

    async def client(self, client_id: str | None, network: Callable[[], str] = str) -> Client | None:
        """Who asks something of us: a registered client, or one known by its document, which may have to be fetched.

        ``network`` tells whose share a fetch comes from. Raises Throttled, and Refused for a document that is no good.
        """
        found = await self.registered_client(client_id)
        if found is None and client_id is not None:
            for source in self.client_sources:
                if (found := await source.find(self, client_id, network())) is not None:
                    return applied(found, self.settings.profile, self.settings.keys.algorithms)
        return found

    async def known_client(self, client_id: str | None) -> Client | None:
        """Who was dealt with before: nobody outside is asked, so of a document there may be no more than its name."""
        found = await self.registered_client(client_id)
        if found is None and client_id is not None:
            for source in self.client_sources:
                if (found := source.known(self, client_id)) is not None:
                    break
        return found

    async def registered_client(self, client_id: str | None) -> Client | None:
        """A registered client, as of at most half a second ago (decision 17); disabled ones too."""
        # Held here, not asked for again below: if the epoch moves meanwhile, what was read goes with the old one.
        known = self.registry.clients
        if client_id is None or (found := known.get(client_id)) is not None:
            return found if client_id is not None else None
        if len(client_id) > MAX_CLIENT_ID or "\0" in client_id:
            return None
        found = await self.database.read(find_client, client_id)
        if found is not None:
            if len(known) >= _KEPT_CLIENTS:
                del known[next(iter(known))]
            known[client_id] = found = applied(found, self.settings.profile, self.settings.keys.algorithms)
        return found

    async def reload_registry(self, *, force: bool = False) -> None:
        """If the epoch moved, read resources and scopes again and forget the clients."""
        epoch = await self.database.read(current_epoch)
        self.registry_read_at = self.now()
        if epoch == self.registry.epoch and not force:
            return
        resources = await self.database.read(load_resources)
        scopes = await self.database.read(load_scopes)
        # Without the grant there is nothing offline_access could mean.
        absent = frozenset(() if "refresh_token" in self.grants else ("offline_access",))
        rules = Rules(
            issuer=self.issuer,
            scopes=(STANDARD_SCOPES - absent) | frozenset(scopes),
            resources=resources,
            response_types=self.response_types,
            response_modes=self.response_modes,
            grant_types=frozenset(self.grants),
            prompts=self.prompts,
            added=scopes,
            levels=Levels.of(self.settings.acr),
            pushed_only=self.settings.require_pushed_authorization_requests,
        )
        self.registry = Registry(epoch, {}, resources, scopes, rules)

    def grant_for(self, client: Client, grant_type: str) -> GrantFunction:
        """RFC 6749 5.2: unsupported here, or not allowed to this client."""
        grant = self.grants.get(grant_type)
        if grant is None:
            raise Refused(
                "unsupported_grant_type",
                "This server does not offer that grant_type.",
                rule="RFC 6749 5.2",
                received=f"grant_type {grant_type[:60]!r}",
                expected=" or ".join(sorted(self.grants)),
                mend="Use authorization_code with PKCE for people, client_credentials for services.",
            )
        if grant_type not in client.grant_types:
            raise Refused(
                "unauthorized_client",
                "This client may not use that grant_type.",
                rule="RFC 6749 5.2",
                received=f"grant_type {grant_type} from client {client.client_id}",
                expected=" or ".join(client.grant_types) or "no grant_type",
                mend=f"Add it to grant_types of client {client.client_id} and run idp apply FILE.",
            )
        return grant

    async def write_kept(self, event: str) -> None:
        """Write what the journal keeps in memory of one event. What cannot be written now stays there; Unavailable."""
        kept = self.journal.take(event)
        if kept is None:
            return
        try:
            await self.database.write(self.journal.flush, self.now(), kept)
        except Exception:
            self.journal.give_back(kept)
            raise

    async def issue(self, authorization: Authorization) -> dict[str, Any]:
        """The members of a token response (RFC 6749 5.1)."""
        answer = await self.issuer_of_tokens.issue(authorization, self.registry.resources)
        self.journal.count("tokens.issued", authorization.client.client_id, authorization.grant_type)
        self.meters.token(authorization.grant_type)
        if authorization.client.registered:
            self.first_uses.note(authorization.client.client_id, authorization.now)
        return answer

    def subject_of(self, client: Client, account_id: str) -> str:
        """What ``client`` is told as ``sub``: the one way an account's id becomes one (OIDC Core 8)."""
        return subject_of(self.keyring, client, account_id)

    def follow_refresh(self, secret: bytes) -> bytes:
        """The successor of a refresh secret: any node computes the same (decision 7)."""
        return hmac.digest(self.keyring.secret("refresh"), secret, hashlib.sha256)

    def seal(self, purpose: str, value: msgspec.Struct) -> str:
        """A value the browser carries for us: unreadable, unchangeable, good for one purpose."""
        return self.keyring.seal(purpose, msgspec.json.encode(value))

    def unseal(self, purpose: str, text: str, kind: type[T]) -> T | None:
        """None for anything we did not seal for this purpose."""
        data = self.keyring.unseal(purpose, text)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError:
            return None

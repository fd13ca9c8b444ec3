"""The only place that wires: settings and features in, one ASGI application out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

import idp
from idp.accounts.passwords import PasswordPool
from idp.accounts.turnstile import Turnstile
from idp.app_tables import admission_of, endpoints_of
from idp.features import FEATURES, Feature
from idp.features.announced import documents, metadata
from idp.grants.client_keys import client_key_sets
from idp.hooks import Hooks
from idp.hooks_running import NOTHING, Running, check
from idp.jobs import Jobs
from idp.jose.encoding import b64url
from idp.keyring import (
    KeyEncryptionKeyExists,
    Keyring,
    KeyringError,
    generate_key_encryption_key,
    parse_key_encryption_ring,
    read_key_encryption_ring,
)
from idp.keyring.algorithm_users import refuse_orphans
from idp.keyring.issuing import Issuer
from idp.keyring.key_encryption import KeyEncryptionRing
from idp.keyring.opaque import OpaqueTokens
from idp.outbound import Outbound
from idp.protocol.checks import CORE_CHECKS
from idp.protocol.errors import Busy, Refused, Throttled
from idp.protocol.key_plan import KeyPlan
from idp.server import Server
from idp.settings import Settings
from idp.store import migrate
from idp.store.audit import record_start
from idp.store.database import Database, Store, Unavailable
from idp.store.registry import has_origin
from idp.watch.request import RequestNames
from idp.watch.traces import Tracing
from idp.watch.watching import NOBODY, Watching
from idp.web import refusals
from idp.web.context import Web
from idp.web.delivery import ToClient, on_to_client
from idp.web.dispatch import Dispatch, OnError
from idp.web.door import Door
from idp.web.foreign_host import ForeignHosts
from idp.web.pages import Pages
from idp.web.sample import sample_verifier

MAX_BODY = 65_536
DATABASE_FILE = "idp.sqlite3"


class Application:
    """The ASGI application. ``start`` must have run before the first request; a lifespan does it by itself."""

    def __init__(
        self,
        server: Server,
        features: Sequence[Feature],
        pages: Pages,
        watching: Watching = NOBODY,
        running: Running = NOTHING,
    ) -> None:
        self.server = server
        self.features = features
        self._running = running
        self.background: asyncio.Task[None] | None = None
        self.jobs = Jobs(server, [job for feature in features for job in feature.jobs], watching.jobs())
        base = urlsplit(server.issuer).path
        self.starlette = Starlette(
            routes=[Mount(pages.static.prefix, pages.static)],
            exception_handlers=_ON_ERROR,
            lifespan=self._lifespan,
            max_body_size=MAX_BODY,
        )
        # A slash too many would be answered with a 307: the form sent again, where the request says (RFC 9700 4.12).
        self.starlette.router.redirect_slashes = False
        state = self.starlette.state
        state.client_authentication = {
            name: prove for feature in features for name, prove in feature.client_authentication.items()
        }
        state.response_modes = {name: way for feature in features for name, way in feature.response_modes.items()}
        state.answers = {name: form for feature in features for name, form in feature.answers.items()}
        state.bindings = tuple(binding for feature in features for binding in feature.bindings)
        state.logout_frames = tuple(feature.logout_frames for feature in features if feature.logout_frames)
        state.sources = tuple(source for feature in features for source in feature.sources)
        state.registration_checks = tuple(check for feature in features for check in feature.registration_checks)
        state.paths = frozenset(endpoint.path for feature in features for endpoint in feature.endpoints)
        if server.dev:
            state.sample_verifier = sample_verifier(server)
        cors = {
            f"{base}{endpoint.path}": endpoint.cors == "anybody"
            for feature in features
            for endpoint in feature.endpoints
            if endpoint.cors
        }
        web = Web.of(server, pages)
        self.endpoints = endpoints_of(base, features)
        dispatch = Dispatch(self.endpoints, _ON_ERROR, self.starlette, web, MAX_BODY)
        public = documents(server, features, base)
        self.admission = admission_of(base, server.settings, public)
        self.admission.on_refusal = server.meters.turned_away
        foreign = None if server.dev else ForeignHosts(server.issuer, server.now)

        async def origin_known(origin: str) -> bool:
            # A preflight names no client, and where it stands no document can be known: the answer itself still goes
            # to the calling client's own origins alone.
            return bool(server.client_sources) or await server.database.read(has_origin, origin)

        self._door = Door(dispatch, public, cors, origin_known, foreign)
        paths = {path: path.removeprefix(base) for path in (*self.endpoints, *public)}
        names = RequestNames(server.journal.writer, web.proxies)
        self._outermost = watching.around(self._door, names, paths, public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._outermost(scope, receive, send)

    async def start(self) -> None:
        """Open: schema, keys, registry, jobs. Raises what the operator has to mend."""
        await prepare(self.server)
        self.jobs.start()

    async def stop(self) -> None:
        await self.jobs.stop()
        await self._running.aclose()
        await self.server.outbound.aclose()
        self.server.passwords.close()
        await self.server.database.aclose()

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()


def build(
    settings: Settings,
    *,
    features: Sequence[Feature] = FEATURES,
    clock: Callable[[], float] = time.time,
    randomness: Callable[[int], bytes] = os.urandom,
    tracing: Tracing | None = None,
    hooks: Hooks | None = None,
) -> Application:
    """One provider. ``clock`` gives Unix seconds, ``randomness`` that many unpredictable bytes."""
    check(settings, hooks)
    running = Running.of(hooks, dev=settings.mode == "dev")
    watching = Watching.of(settings, tracing)
    active = [feature for feature in features if feature.active(settings)]
    issuer, mail = settings.issuer, settings.operator_mail
    pages = Pages(settings.templates_dir, settings.locale, issuer=issuer, operator_mail=mail)
    server = make_server(settings, active, clock, randomness, watching=watching, running=running)
    return Application(server, active, pages, watching, running)


def make_server(
    settings: Settings,
    features: Sequence[Feature],
    clock: Callable[[], float] = time.time,
    randomness: Callable[[int], bytes] = os.urandom,
    *,
    patient: bool = False,
    watching: Watching = NOBODY,
    running: Running = NOTHING,
) -> Server:
    """The shared value without its HTTP surface: what commands work with. ``patient`` as in ``open_store``."""
    journal, store = running.journal(randomness(8).hex()), running.store(open_store(settings, patient=patient))
    database = watching.store(store)
    outbound = Outbound(settings.outbound.allow, settings.outbound.ca_file, loopback=settings.mode == "dev")
    plan = KeyPlan(
        signs=settings.keys.signs,
        longest_cache=settings.keys.longest_cache,
        session_absolute=settings.lifetimes.session_absolute,
    )
    kek, algorithms = key_encryption_ring(settings), settings.keys.algorithms
    keyring = Keyring(database, kek, plan, clock, algorithms, journal=journal, randomness=randomness)
    grants = {name: grant for feature in features for name, grant in feature.grants.items()}
    return Server(
        settings=settings,
        clock=clock,
        randomness=randomness,
        database=database,
        journal=journal,
        keyring=keyring,
        outbound=outbound,
        client_keys=client_key_sets(outbound, clock),
        passwords=PasswordPool(settings.passwords.workers, settings.passwords.queue, watching.hashing),
        turnstile=Turnstile(
            settings.passwords.workers or os.cpu_count() or 1, settings.passwords.queue, watching.standing
        ),
        issuer_of_tokens=Issuer(
            settings,
            keyring,
            lambda: b64url(randomness(16)).decode(),
            OpaqueTokens(database, randomness).keep,
            running.asked.claims,
        ),
        grants=grants,
        checks=(*CORE_CHECKS, *(check for feature in features for check in feature.checks)),
        response_types=frozenset(name for feature in features for name in feature.response_types),
        response_modes=frozenset(name for feature in features for name in feature.response_modes),
        prompts=frozenset(name for feature in features for name in feature.prompts),
        metadata=metadata(settings, features, grants),
        client_sources=tuple(make() for feature in features for make in feature.client_sources),
        meters=watching.meters,
        hooks=running.asked,
    )


def open_store(settings: Settings, *, patient: bool = False) -> Store:
    """PostgreSQL where the settings name one, else SQLite in the data folder.

    ``patient`` is for commands, which may take long: nobody waits for them behind a socket.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.database is not None:
        from idp.store.postgres import PostgresDatabase

        return PostgresDatabase(settings.database.reveal(), patient=patient)
    return Database(settings.data_dir / DATABASE_FILE, synchronous=settings.synchronous)


async def prepare(server: Server, *, serving: bool = True) -> None:
    """Schema (dev makes it, serve only compares), keys, registry. ``serving`` False is a command's short visit."""
    if server.dev:
        await server.database.write(migrate.to_head)
    else:
        migrate.require(await server.database.read(migrate.current))
    await server.keyring.start(repair=not serving)
    await server.reload_registry(force=True)
    if serving:
        await refuse_orphans(server.database, server.keyring.taken_out, server.settings.keys.algorithms)
        mode = server.settings.mode
        await server.database.write(record_start, server.journal, server.now(), version=idp.__version__, mode=mode)


def key_encryption_ring(settings: Settings) -> KeyEncryptionRing:
    """The ring from environment or file; only dev makes one where none is (decision 11)."""
    if settings.key_encryption_key is not None:
        return parse_key_encryption_ring(settings.key_encryption_key.reveal(), "IDP_KEY_ENCRYPTION_KEY")
    path = settings.key_encryption_key_file
    if path is None and settings.mode == "dev":
        path = dev_key_file(settings)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(KeyEncryptionKeyExists):  # another start of this checkout was a moment earlier
                return generate_key_encryption_key(path)
    return read_key_encryption_ring(path or settings.data_dir / "key-encryption-key")


def dev_key_file(settings: Settings) -> Path:
    """``keys/`` of a checkout, else beside the database."""
    checkout = Path(idp.__file__).parent.parent / "keys"
    folder = checkout if (checkout / "README.md").is_file() else settings.data_dir / "keys"
    return folder / "dev-key-encryption-key"


_ON_ERROR: dict[type[Exception], OnError] = {
    ToClient: on_to_client,
    Refused: refusals.on_refused,
    Busy: refusals.on_busy,
    Throttled: refusals.on_throttled,
    Unavailable: refusals.on_busy,
    KeyringError: refusals.on_busy,
    HTTPException: refusals.on_http_error,
    ClientDisconnect: refusals.on_gone,
    Exception: refusals.on_fault,
}

"""``idp restore`` and ``idp move``: both make a database whole from blocks of rows, with every server stopped."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from idp.app import key_encryption_ring, make_server, prepare
from idp.config.database_url import database_url_problem
from idp.config.problems import ConfigurationError
from idp.config.reading import Secret
from idp.control.backup import write_to
from idp.control.backup_file import Header, blocks, read_header
from idp.control.calling import only_opener
from idp.control.errors import ControlError
from idp.features import FEATURES
from idp.keyring.key_encryption import KeyEncryptionRing
from idp.server import Server
from idp.settings import Settings
from idp.store.backups import Backup, InUse, NotEmpty, Restored, Wanted, refuse_company, restore
from idp.store.copying import NotWhole
from idp.store.database import Unavailable
from idp.store.migrate import SchemaMismatch, known

Clock = Callable[[], float]

_TRIES = 5  # a process that has just ended may be on the server's list a moment longer


def restore_file(
    settings: Settings,
    path: Path,
    *,
    replace: bool = False,
    keep_sessions: bool = False,
    other_issuer: bool = False,
    clock: Clock = time.time,
) -> dict[str, Any]:
    """Make the database of the settings from a backup. Raises ControlError and KeyringError: nothing has changed."""
    with _alone(settings):
        ring = key_encryption_ring(settings)
        header = read_header(path, ring)
        _demand_known(header)
        if header.issuer != settings.issuer and not other_issuer:
            raise ControlError(
                "a backup is restored under the issuer it was made under",
                received=f"a backup of {header.issuer}",
                expected=settings.issuer,
                mend="use the settings it belongs to, or say --other-issuer, for a rehearsal elsewhere",
            )
        return asyncio.run(_restore(settings, clock, path, ring, header, replace, keep_sessions))


def move(settings: Settings, target: str, clock: Clock = time.time) -> dict[str, Any]:
    """Copy the whole installation into an empty PostgreSQL database and check it there; the old one stays as it was."""
    if problem := database_url_problem(target):
        raise ConfigurationError([problem])
    with _alone(settings):
        return asyncio.run(_move(settings, msgspec.structs.replace(settings, database=Secret(target)), clock))


def _alone(settings: Settings) -> contextlib.AbstractContextManager[None]:
    return only_opener(settings.data_dir) if settings.database is None else contextlib.nullcontext()


async def _restore(
    settings: Settings,
    clock: Clock,
    path: Path,
    ring: KeyEncryptionRing,
    header: Header,
    replace: bool,
    keep_sessions: bool,
) -> dict[str, Any]:
    async with _open(settings, clock) as server:
        wanted = Wanted(
            now=server.now(), longest_token=_longest(settings), replace=replace, keep_sessions=keep_sessions
        )
        done = await _fill(server, path, ring, header, wanted)
        # As a server would start on it: the keys open, and the clock has its way with them.
        await prepare(server, serving=False)
        await _revoke_again(server, done.revoked_keys)
        keys = [
            {"kid": life.kid, "alg": life.alg, "state": life.state}
            for life in server.keyring.timeline()
            if life.state in ("waiting", "signing", "retiring")
        ]
    return {**_told(done), "made_at": header.made_at, "issuer": header.issuer, "schema": header.schema, "keys": keys}


async def _revoke_again(server: Server, kids: Iterable[str]) -> None:
    """What the replaced database knew to be revoked does not come back with an older one."""
    there = {life.kid for life in server.keyring.timeline() if life.state != "revoked"}
    for kid in kids:
        if kid in there:
            await server.keyring.revoke(kid)


async def _move(settings: Settings, target: Settings, clock: Clock) -> dict[str, Any]:
    path = settings.data_dir / ".move.part"
    path.unlink(missing_ok=True)  # of a move that was killed
    async with _open(settings, clock) as source:
        await _demand_ready(source)
        now = source.now()
        try:
            rows, _ = await write_to(source, path, now)
            ring = key_encryption_ring(settings)
            async with _open(target, clock) as server:
                wanted = Wanted(now=now, longest_token=_longest(settings), keep_sessions=True, move=True)
                done = await _fill(server, path, ring, read_header(path, ring), wanted)
                await prepare(server, serving=False)
        finally:
            path.unlink(missing_ok=True)
    return {**_told(done), "same": done.rows == rows}


async def _fill(server: Server, path: Path, ring: KeyEncryptionRing, header: Header, wanted: Wanted) -> Restored:
    backup = Backup(header.schema, header.made_at, functools.partial(blocks, path, ring))
    for attempt in range(_TRIES):
        try:
            return await server.database.write(restore, server.journal, backup, wanted)
        except InUse as error:
            if attempt == _TRIES - 1:
                raise _in_use(str(error)) from error
            await asyncio.sleep(0.2)
        except NotEmpty as error:
            raise _not_empty(str(error), wanted) from error
        except NotWhole as error:
            raise ControlError(
                "a backup is restored whole or not at all",
                received=str(error),
                expected="rows as idp backup wrote them",
                mend="take another copy of it, or another backup",
            ) from error
        except SchemaMismatch as error:
            raise ControlError("the schema is one this program knows", received=str(error), mend=error.mend) from error
        except Unavailable as error:
            raise ControlError(
                "the database answers, and has room", received=str(error), mend="nothing was changed: try again"
            ) from error
    raise _in_use("other connections")


@contextlib.asynccontextmanager
async def _open(settings: Settings, clock: Clock) -> AsyncIterator[Server]:
    active = [feature for feature in FEATURES if feature.active(settings)]
    server = make_server(settings, active, clock, patient=True)
    try:
        yield server
    finally:
        server.passwords.close()
        await server.database.aclose()


async def _demand_ready(source: Server) -> None:
    try:
        await prepare(source, serving=False)
        await source.database.read(refuse_company)
    except SchemaMismatch as error:
        raise ControlError("the schema is this program's", received=str(error), mend=error.mend) from error
    except InUse as error:
        raise _in_use(str(error)) from error


def _demand_known(header: Header) -> None:
    versions = known()
    if header.schema not in versions:
        raise ControlError(
            "a backup's schema is this program's or an older one's",
            received=f"schema {header.schema}, made by idp {header.program}",
            expected=f"at most {versions[0]}",
            mend="restore it with the idp that made it, or a newer one",
        )


def _longest(settings: Settings) -> float:
    return float(max(settings.lifetimes.access_token, settings.lifetimes.id_token))


def _told(done: Restored) -> dict[str, Any]:
    return {
        "rows": sum(done.rows.values()),
        "tables": done.rows,
        "sessions_ended": done.sessions_ended,
        "grants_revoked": done.grants_revoked,
        "logouts_queued": done.logouts_queued,
    }


def _in_use(found: str) -> ControlError:
    return ControlError(
        "every server is stopped while a database is made anew",
        received=found,
        expected="no other connection of idp to this database",
        mend="stop each idp serve and each command, then try again",
    )


def _not_empty(found: str, wanted: Wanted) -> ControlError:
    return ControlError(
        "an empty database is filled, never a full one",
        received=found,
        expected="a database without rows",
        mend="make a new database and name that one"
        if wanted.move
        else "name an empty database, or say --replace: what is in this one is then gone for good",
    )

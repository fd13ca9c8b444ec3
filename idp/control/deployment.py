"""What stands between a lesson and a production server: each check looks, and names its mend."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idp.control import clients
from idp.jose.keys import SIGNING_ALGORITHMS
from idp.keyring.algorithm_users import orphans
from idp.server import Server
from idp.store.clock import database_time
from idp.store.marks import BACKUP, marked
from idp.store.migrate import HEAD, current

_DAY = 86_400.0
_MOST_OFF = 5.0  # seconds; more, and nodes disagree about what has expired


@dataclass(frozen=True, slots=True)
class Check:
    check: str
    ok: bool
    found: str
    expected: str
    mend: str

    def members(self) -> dict[str, Any]:
        return asdict(self)


async def deploy_checks(server: Server) -> list[Check]:
    settings = server.settings
    schema = await server.database.read(current)
    key_file = settings.key_encryption_key_file
    lead = settings.keys.longest_cache
    insecure = await _plain_addresses(server)
    orphaned = await orphans(server.database, set(SIGNING_ALGORITHMS) - set(settings.keys.algorithms))
    return [
        Check(
            "mode", settings.mode == "serve", settings.mode, "serve", "idp init --issuer https://..., then idp serve"
        ),
        Check(
            "issuer",
            settings.issuer.startswith("https://"),
            settings.issuer,
            "an https address that clients and browsers reach",
            "set issuer in the settings file",
        ),
        Check(
            "key-encryption key",
            _is_apart(key_file, settings.data_dir) or settings.key_encryption_key is not None,
            str(key_file) if key_file else "in the environment" if settings.key_encryption_key else "none of its own",
            "a file outside data_dir, or the environment",
            "idp init writes one; set key_encryption_key_file",
        ),
        Check("schema", schema == HEAD, schema or "empty", HEAD, "idp migrate"),
        Check(
            "key lead",
            lead >= _DAY,
            f"{lead:g} s in the JWKS before a key signs",
            f"at least {_DAY:g} s: some verifiers keep keys for a day",
            "set keys.longest_cache = 86400",
        ),
        Check(
            "signing keys",
            server.keyring.ready,
            ", ".join(f"{life.alg} {life.state}" for life in server.keyring.timeline()) or "none",
            "a signing key for each algorithm",
            "idp keys list shows what is missing",
        ),
        Check(
            "algorithms of clients",
            not orphaned,
            "; ".join(orphaned[:5]) or "all among keys.algorithms",
            f"clients and resources registered for {', '.join(settings.keys.algorithms)}",
            "put the algorithm back into keys.algorithms, or change them: idp apply FILE",
        ),
        Check(
            "durability",
            settings.synchronous == "FULL",
            f"synchronous = {settings.synchronous}",
            "FULL: a spent code stays spent after a power cut",
            'set synchronous = "FULL"',
        ),
        Check(
            "password exchange",
            settings.password_exchange_client is None,
            settings.password_exchange_client or "off",
            "off: RFC 9700 2.4",
            "remove password_exchange_client; use the authorization code flow",
        ),
        Check(
            "client addresses",
            not insecure,
            ", ".join(insecure[:5]) or "all https",
            "https redirect URIs for web clients",
            "change redirect_uris in the apply file",
        ),
        _backup(await server.database.read(marked, BACKUP), server.now()),
        await _clock(server),
    ]


def _backup(at: float | None, now: float) -> Check:
    return Check(
        "backup",
        at is not None and now - at < 7 * _DAY,
        "never made" if at is None else f"{(now - at) / _DAY:.1f} days old",
        "one of the last 7 days, kept on another machine",
        "idp backup FILE, every day",
    )


async def _clock(server: Server) -> Check:
    theirs, ours = await server.database.read(database_time), server.now()
    shown = datetime.datetime.fromtimestamp(ours, datetime.UTC).isoformat(timespec="seconds")
    off = 0.0 if theirs is None else ours - theirs
    return Check(
        "clock",
        _plausible(ours) and abs(off) <= _MOST_OFF,
        shown if theirs is None else f"{shown}, {abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} the database",
        f"the true time, within {_MOST_OFF:g} s",
        "run a time service on the host",
    )


def _is_apart(path: Path | None, folder: Path) -> bool:
    return path is not None and not path.resolve().is_relative_to(folder.resolve())


async def _plain_addresses(server: Server) -> list[str]:
    return [
        uri
        async for client in clients.every(server)
        if client.application_type == "web" and not client.disabled
        for uri in client.redirect_uris
        if uri.startswith("http:")
    ]


def _plausible(now: float) -> bool:
    """A clock that was never set says 1970; one from before this program was written is wrong too."""
    return now > datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC).timestamp()

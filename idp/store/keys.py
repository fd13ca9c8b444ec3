"""Tables and operations of signing keys, the server's own secrets, and the proof of the key that seals them.

Private halves and secrets come here sealed and leave sealed. A change of the ring is a tuple of steps that takes
effect whole or not at all: a step that finds the ring otherwise than it was planned for raises ``Lost``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from idp.protocol.key_changes import Begin, Delete, DropPrivate, End, Make, Revoke, Step
from idp.protocol.key_plan import KeyLife
from idp.store.audit import Journal
from idp.store.schema import metadata

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("alg", sa.String(16), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("jwk", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary),  # NULL once the private half is destroyed
    sa.Column("published_from", sa.Double, nullable=False),
    sa.Column("signs_from", sa.Double, nullable=False),
    sa.Column("signs_until", sa.Double, nullable=False),
    sa.Column("mark", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
    sa.UniqueConstraint("alg", "generation", name="keys_alg_generation"),
)

server_secrets = sa.Table(
    "server_secrets",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

# One row: which key-encryption key everything is sealed under, and a value only that key opens.
key_encryption = sa.Table(
    "key_encryption",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key_id", sa.String(32), nullable=False),
    sa.Column("proof", sa.LargeBinary, nullable=False),
)

_RESERVE = (
    sa.update(keys)
    .where(keys.c.kid == sa.bindparam("b_kid"), keys.c.revoked_at.is_(None))
    .values(mark=sa.case((keys.c.mark < sa.bindparam("b_until"), sa.bindparam("b_until")), else_=keys.c.mark))
)
_MARK = sa.select(keys.c.mark).where(keys.c.kid == sa.bindparam("b_kid"))


class Lost(Exception):
    """Somebody else changed the ring first: read it again and see what is left to do."""


class KeyEncryptionChanged(Exception):
    """The database is sealed under another key-encryption key than the one the caller used."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One row: the life, the public JWK as JSON, the sealed private half."""

    life: KeyLife
    jwk: bytes
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Material:
    """What a ``Make`` step becomes: name, public JWK as JSON, sealed private half."""

    kid: str
    jwk: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """The key-encryption key's name and the value that only it opens."""

    key_id: str
    value: bytes


def load_keys(connection: Connection) -> tuple[StoredKey, ...]:
    """Every key by algorithm and generation."""
    rows = connection.execute(sa.select(keys).order_by(keys.c.alg, keys.c.generation))
    return tuple(
        StoredKey(
            KeyLife(
                kid=row.kid,
                alg=row.alg,
                generation=row.generation,
                published_from=row.published_from,
                signs_from=row.signs_from,
                signs_until=row.signs_until,
                mark=row.mark,
                revoked_at=row.revoked_at,
                has_private=row.sealed is not None,
            ),
            row.jwk,
            row.sealed,
        )
        for row in rows
    )


def apply_steps(
    connection: Connection,
    journal: Journal,
    now: float,
    sealed_under: str,
    steps: Sequence[Step],
    material: Mapping[tuple[str, int], Material],
    why: str,
) -> None:
    """Do all ``steps``. Raises Lost or KeyEncryptionChanged, and then none of them has happened."""
    _demand(connection, sealed_under)
    for step in steps:
        match step:
            case Make():
                _make(connection, journal, now, step, material[step.alg, step.generation], why)
            case Begin():
                _begin(connection, journal, now, step, why)
            case End():
                connection.execute(sa.update(keys).where(keys.c.kid == step.kid).values(signs_until=step.signs_until))
            case Revoke():
                _revoke(connection, journal, now, step, why)
            case DropPrivate():
                connection.execute(sa.update(keys).where(keys.c.kid == step.kid).values(sealed=None))
            case Delete():
                _delete(connection, journal, now, step, why)


def reserve(connection: Connection, kid: str, until: float) -> float | None:
    """Move a key's expiry mark to ``until`` or leave it further on; the mark now stored, None if it may not sign."""
    if connection.execute(_RESERVE, {"b_kid": kid, "b_until": until}).rowcount != 1:
        return None
    return float(connection.execute(_MARK, {"b_kid": kid}).scalar_one())


def load_proof(connection: Connection) -> Proof | None:
    row = connection.execute(sa.select(key_encryption).where(key_encryption.c.id == 1)).one_or_none()
    return None if row is None else Proof(row.key_id, row.proof)


def first_proof(connection: Connection, proof: Proof) -> None:
    """Bind a new database to its key-encryption key. Raises Lost if it already is bound."""
    _insert(connection, key_encryption, id=1, key_id=proof.key_id, proof=proof.value)


def load_secrets(connection: Connection) -> dict[str, bytes]:
    rows = connection.execute(sa.select(server_secrets.c.name, server_secrets.c.sealed))
    return {row.name: row.sealed for row in rows}


def create_secret(connection: Connection, sealed_under: str, name: str, sealed: bytes) -> None:
    """Write a secret that does not exist. Raises Lost if it does, KeyEncryptionChanged."""
    _demand(connection, sealed_under)
    _insert(connection, server_secrets, name=name, sealed=sealed)


def rewrap(
    connection: Connection,
    journal: Journal,
    now: float,
    sealed_under: str,
    proof: Proof,
    reseal: Callable[[str, bytes], bytes],
) -> tuple[int, int]:
    """Seal everything anew in one transaction and say under which key; the numbers of keys and secrets.

    ``reseal`` is given what a value is sealed for and the value. What it raises undoes everything.
    """
    _demand(connection, sealed_under)
    connection.execute(sa.update(key_encryption).values(key_id=proof.key_id, proof=proof.value))
    sealed_keys = [stored for stored in load_keys(connection) if stored.sealed is not None]
    for stored in sealed_keys:
        value = reseal(key_purpose(stored.life.alg, stored.life.kid), stored.sealed or b"")
        connection.execute(sa.update(keys).where(keys.c.kid == stored.life.kid).values(sealed=value))
    secrets = load_secrets(connection)
    for name, sealed in secrets.items():
        value = reseal(secret_purpose(name), sealed)
        connection.execute(sa.update(server_secrets).where(server_secrets.c.name == name).values(sealed=value))
    journal.record(connection, now, "key.rewrapped", before=sealed_under, after=proof.key_id)
    return len(sealed_keys), len(secrets)


def start_over(
    connection: Connection,
    journal: Journal,
    now: float,
    lost: str,
    proof: Proof,
    steps: Sequence[Step],
    material: Mapping[tuple[str, int], Material],
    why: str,
) -> None:
    """The key-encryption key ``lost`` is gone: forget what nobody can open, bind the database to another, do
    ``steps``.

    Public halves stay: tokens signed before are valid until they expire. Raises Lost or KeyEncryptionChanged.
    """
    _demand(connection, lost)
    connection.execute(sa.update(key_encryption).values(key_id=proof.key_id, proof=proof.value))
    connection.execute(sa.update(keys).values(sealed=None))
    connection.execute(sa.delete(server_secrets))
    apply_steps(connection, journal, now, proof.key_id, steps, material, why)


def key_purpose(alg: str, kid: str) -> str:
    """What a private half is sealed for, so that no row can stand in for another."""
    return f"signing key {alg} {kid}"


def secret_purpose(name: str) -> str:
    return f"server secret {name}"


def _demand(connection: Connection, sealed_under: str) -> None:
    # The lock makes changes of the ring follow one another on PostgreSQL; SQLite has one writer anyway.
    stored = connection.execute(sa.select(key_encryption.c.key_id).with_for_update()).scalar()
    if stored != sealed_under:
        raise KeyEncryptionChanged(f"sealed under {stored}, not under {sealed_under}")


def _make(connection: Connection, journal: Journal, now: float, step: Make, made: Material, why: str) -> None:
    _insert(
        connection,
        keys,
        kid=made.kid,
        alg=step.alg,
        generation=step.generation,
        jwk=made.jwk,
        sealed=made.sealed,
        published_from=step.published_from,
        signs_from=step.signs_from,
        signs_until=step.signs_until,
        mark=0.0,
    )
    begins = step.signs_from
    journal.record(connection, now, "key.created", kid=made.kid, alg=step.alg, signs_from=begins, why=why)


def _begin(connection: Connection, journal: Journal, now: float, step: Begin, why: str) -> None:
    found = keys.c.kid == step.kid, keys.c.signs_from == step.expected, keys.c.revoked_at.is_(None)
    changed = sa.update(keys).where(*found).values(signs_from=step.signs_from, signs_until=step.signs_until)
    if connection.execute(changed).rowcount != 1:
        raise Lost(step.kid)
    journal.record(connection, now, "key.rotated", kid=step.kid, instead_of=step.instead_of, why=why)


def _revoke(connection: Connection, journal: Journal, now: float, step: Revoke, why: str) -> None:
    found = keys.c.kid == step.kid, keys.c.revoked_at.is_(None)
    if connection.execute(sa.update(keys).where(*found).values(revoked_at=now, sealed=None)).rowcount != 1:
        raise Lost(step.kid)
    journal.record(connection, now, "key.revoked", kid=step.kid, why=why)


def _delete(connection: Connection, journal: Journal, now: float, step: Delete, why: str) -> None:
    if connection.execute(sa.delete(keys).where(keys.c.kid == step.kid)).rowcount != 1:
        raise Lost(step.kid)
    journal.record(connection, now, "key.deleted", kid=step.kid, why=why)


def _insert(connection: Connection, table: sa.Table, **values: object) -> None:
    try:
        connection.execute(sa.insert(table).values(values))
    except IntegrityError as error:
        raise Lost(table.name) from error

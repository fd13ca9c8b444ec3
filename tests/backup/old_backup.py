"""A backup file as the program of schema 0001 would have left it, of an installation that lived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from homes import Home

from idp.app import open_store
from idp.control.backup_file import Header, write
from idp.keyring import read_key_encryption_ring
from idp.store import migrate
from idp.store.copying import dump


async def backup_of_0001(home: Home, file: Path) -> None:
    """Takes the home's database back to 0001 by the scripts' own way down, then dumps the tables of that time."""
    kek = read_key_encryption_ring(home.kek).current
    header = Header(home.settings().issuer, "0001", home.clock(), "0.1.0")
    store = open_store(home.settings())
    try:
        await store.write(_down)
        await store.write(
            lambda c: write(file, header, kek, lambda size: b"r" * size, lambda put: dump(c, put, _tables(c)))
        )
    finally:
        await store.aclose()


def _down(connection: Any) -> None:
    from alembic import command

    config = migrate._config()
    config.attributes["connection"] = connection
    command.downgrade(config, "0001")


def _tables(connection: Any) -> sa.MetaData:
    found = sa.MetaData()
    found.reflect(connection)
    found.remove(found.tables["alembic_version"])
    return found

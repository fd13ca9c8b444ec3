"""Export and apply on PostgreSQL: byte-equal on an empty database, and the same order as SQLite's."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from support import WEB, register
from support.people import add_person
from support.serving import serving

from idp.control.operations import run
from idp.server import Server
from idp.store import migrate
from idp.store.postgres import PostgresDatabase
from idp.testing import Provider
from idp.testing.seed import apply_text

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

NAMES = ("anna", "Berta", "_x", "a b", "ä", "a😀", "Z", "zz", "😀", "\uff5e")


@pytest.fixture
def database(cluster: Any) -> str:
    """An empty database whose texts sort as people sort names, so that an order of its own would show."""
    name = f"t{uuid.uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(cluster.url("postgres"))
        words = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'"
        await connection.execute(f'CREATE DATABASE "{name}" {words}')
        await connection.close()

    asyncio.run(create())
    return str(cluster.url(name))


async def exported(server: Server) -> str:
    texts, section, after = [], "", ""
    while section is not None:
        piece = await run(server, "export", {"section": section, "after": after})
        texts.append(piece["text"])
        section, after = piece["section"], piece["after"]
    return "".join(texts)


async def test_from_one_database_to_the_other_and_back(database: str, tmp_path: Path) -> None:
    async with Provider() as provider:
        await register(provider, WEB)
        for name in NAMES:
            await add_person(provider, name, name=f"{name}\n\"quoted\"", address={"country": "DE"})
        await provider.control("user.disable", username="ä")
        await provider.control("client.secret.add", client_id="web")
        text = await exported(provider.server)
    store = PostgresDatabase(database)
    await store.write(migrate.to_head)
    await store.aclose()
    async with serving(tmp_path, database=database) as (application, _):
        assert await exported(application.server) == ""
        assert (await apply_text(application.server, text, tmp_path))["changed"] == len(NAMES) + 5
        assert await exported(application.server) == text
        assert (await apply_text(application.server, text, tmp_path))["changed"] == 0
    (other := tmp_path / "sqlite").mkdir()
    async with serving(other) as (application, _):
        await apply_text(application.server, text, other)
        assert await exported(application.server) == text


async def test_the_scripts_order_names_by_code_point_too(database: str) -> None:
    store = PostgresDatabase(database)
    ask = sa.text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE collation_name = 'C'"
        " AND table_schema = 'public' ORDER BY 1"
    )
    try:
        await store.write(migrate._run)
        found = await store.read(lambda connection: [tuple(row) for row in connection.execute(ask)])
        assert found == [("accounts", "username"), ("clients", "client_id")]
    finally:
        await store.aclose()


async def test_pages_follow_one_another_by_code_point(database: str) -> None:
    async with Provider(database=database) as provider:
        for name in NAMES:
            await add_person(provider, name)
        seen, after, more = [], "", True
        while more:
            page = await provider.control("user.list", after=after, limit=2)
            seen += [row["username"] for row in page["people"]]
            after, more = seen[-1], page["more"]
        assert seen == sorted([*NAMES, "alice", "bob"])
        page = await provider.control("user.list", prefix="a")
        assert [row["username"] for row in page["people"]] == ["a b", "alice", "anna", "a😀"]

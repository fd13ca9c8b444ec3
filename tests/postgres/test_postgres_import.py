"""``idp user import`` from a Django table on PostgreSQL into an installation on PostgreSQL, seen by a running node."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest
from werkzeug.security import generate_password_hash

from idp.cli.group import run
from idp.testing import Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

SITE = """
CREATE SCHEMA shop;
CREATE TABLE shop.customer (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), username varchar(150) UNIQUE, password varchar(128),
    email varchar(254), first_name varchar(150), last_name varchar(150), is_active boolean, is_verified boolean
);
"""


async def test_from_one_to_the_other(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    site = await asyncpg.connect(database)
    await site.execute(SITE)
    hashed = generate_password_hash("old", "pbkdf2:sha256:1000")
    rows = [(f"p{n}", hashed, f"p{n}@example.com", "Ada", "L", n != 1, n == 2) for n in range(250)]
    columns = "username, password, email, first_name, last_name, is_active, is_verified"
    await site.executemany(f"INSERT INTO shop.customer ({columns}) VALUES ($1,$2,$3,$4,$5,$6,$7)", rows)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    async with Provider(database=database, data_dir=tmp_path / ".idp") as provider:
        monkeypatch.setenv("IDP_DATABASE", database)
        command = ["user", "import", "--django", database, "--table", "shop.customer", "--sub", "{id}"]
        command += ["--map", "email_verified=is_verified"]
        assert await asyncio.to_thread(run, command) == 0
        assert capfd.readouterr().out == "250 new, 0 rejected\n"
        for name, status in (("p0", 200), ("p1", 401), ("p2", 200)):
            answer = await provider.http.post("/api/token/", json={"username": name, "password": "old"})
            assert answer.status_code == status, name
        people = {person["username"]: person for person in (await provider.control("user.list", limit=1000))["people"]}
        assert people["p2"]["claims"]["email_verified"] is True
        assert people["p1"]["claims"]["email_verified"] is False
        sub = await site.fetchval("SELECT id::text FROM shop.customer WHERE username = 'p0'")
        assert people["p0"]["sub"] == sub
        await site.execute("UPDATE shop.customer SET password = $1", generate_password_hash("new", "pbkdf2:sha1:1000"))
        assert await asyncio.to_thread(run, command) == 0
        assert capfd.readouterr().out == "0 new, 248 with a newer hash, 2 here already, 0 rejected\n"
    await site.close()

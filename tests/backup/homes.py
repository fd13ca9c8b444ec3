"""A data folder, perhaps a database of PostgreSQL, and the provider in it when a test starts one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from support import WEB

from idp.app import open_store
from idp.control.backup_file import blocks
from idp.control.restoring import move, restore_file
from idp.keyring import generate_key_encryption_key, read_key_encryption_ring
from idp.settings import Settings
from idp.store.copying import dump
from idp.testing import MovingClock, Provider
from idp.testing.seed import test_settings as settings_of_a_test

ISSUER = "http://localhost:8000"
OFFLINE = {"scope": "openid profile offline_access"}
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class Home:
    folder: Path
    url: str | None
    kek: Path
    clock: MovingClock = field(default_factory=MovingClock)

    def __post_init__(self) -> None:
        if not self.kek.exists():
            generate_key_encryption_key(self.kek)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def options(self) -> dict[str, Any]:
        named = {"key_encryption_key_file": str(self.kek)}
        return named if self.url is None else {**named, "database": self.url}

    def settings(self, issuer: str = ISSUER, **changes: Any) -> Settings:
        return settings_of_a_test(self.folder, issuer, **{**self.options, **changes})

    def provider(self) -> Provider:
        return Provider(data_dir=self.folder, clock=self.clock, **self.options)

    async def restore(self, file: Path, **options: Any) -> dict[str, Any]:
        """As the command does it, in a thread, because it runs a loop of its own."""
        settings = self.settings(**{name: options.pop(name) for name in ("issuer",) if name in options})
        return await asyncio.to_thread(restore_file, settings, file, clock=self.clock, **options)

    async def move(self, target: Home) -> dict[str, Any]:
        assert target.url is not None
        return await asyncio.to_thread(move, self.settings(), target.url, self.clock)

    async def rows(self) -> Rows:
        """Every row of the database with nobody in it, by table."""
        store = open_store(self.settings())
        found: list[bytes] = []
        try:
            await store.write(dump, found.append)
        finally:
            await store.aclose()
        return decoded(found)

    async def execute(self, statement: str) -> None:
        store = open_store(self.settings())
        try:
            await store.write(lambda c: c.execute(sa.text(statement)) and None)
        finally:
            await store.aclose()

    async def tables(self) -> list[str]:
        store = open_store(self.settings())
        try:
            return sorted(await store.read(lambda c: sa.inspect(c).get_table_names()))
        finally:
            await store.aclose()

    def rows_in(self, file: Path) -> Rows:
        return decoded(blocks(file, read_key_encryption_ring(self.kek)))


def decoded(found: Any) -> Rows:
    rows: Rows = {}
    for block in found:
        name, _, values = msgspec.msgpack.decode(block)
        if name:
            rows.setdefault(name, []).extend(tuple(value) for value in values)
    return {name: sorted(values, key=repr) for name, values in rows.items()}


async def backup(provider: Provider, file: Path) -> dict[str, Any]:
    return await provider.control("backup", file=str(file))


async def refreshed(provider: Provider, token: str) -> dict[str, Any]:
    answer = await WEB.refresh(provider.http, token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(provider: Provider, token: str) -> bool:
    answer = await WEB.refresh(provider.http, token)
    assert answer.status_code in (200, 400), answer.text
    return answer.status_code == 400 and answer.json()["error"] == "invalid_grant"

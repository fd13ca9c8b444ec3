"""The provider as ``idp serve`` runs it, in-process: no dev switch is on, schema and key were made beforehand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from idp.app import DATABASE_FILE, Application, build
from idp.keyring import generate_key_encryption_key
from idp.settings import load
from idp.store import migrate
from idp.store.database import Database
from idp.testing import MovingClock
from idp.testing.seed import apply_text


@asynccontextmanager
async def serving(
    folder: Path, *, issuer: str = "http://localhost:8000", manifest: str = "", **options: Any
) -> AsyncIterator[tuple[Application, httpx2.AsyncClient]]:
    """The application and a client at its issuer; ``options`` are settings, a dot written ``__``."""
    database = Database(folder / DATABASE_FILE)
    database.write_now(migrate.to_head)
    database.close()
    key_file = folder / "key-encryption-key"
    if not key_file.exists():
        generate_key_encryption_key(key_file)
    given = {name.replace("__", "."): value for name, value in options.items()}
    named = {"issuer": issuer, "data_dir": str(folder), "key_encryption_key_file": str(key_file)}
    settings = load(None, {}, "serve", {**named, **given})
    application = build(settings, clock=MovingClock())
    await application.start()
    try:
        if manifest:
            await apply_text(application.server, manifest, folder)
        transport = httpx2.ASGITransport(app=application)
        async with httpx2.AsyncClient(transport=transport, base_url=issuer) as http:
            yield application, http
    finally:
        await application.stop()

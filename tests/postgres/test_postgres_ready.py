"""A node whose clock is more than five seconds off the database's is not ready (decision 19)."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest

from idp.app import build
from idp.keyring import generate_key_encryption_key
from idp.settings import load
from idp.store import migrate
from idp.store.postgres import PostgresDatabase
from idp.testing import MovingClock

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]


@pytest.mark.parametrize(("off", "ready"), [(0, True), (4, True), (-4, True), (7, False), (-7, False)])
async def test_the_clock_is_compared(database: str, tmp_path: Path, off: float, ready: bool) -> None:
    store = PostgresDatabase(database)
    await store.write(migrate.to_head)
    await store.aclose()
    key = tmp_path / "kek"
    generate_key_encryption_key(key)
    named = {"issuer": "http://localhost:8000", "data_dir": str(tmp_path), "database": database}
    settings = load(None, {}, "serve", {**named, "key_encryption_key_file": str(key)})
    application = build(settings, clock=MovingClock(follow=lambda: time.time() + off))
    await application.start()
    try:
        transport = httpx2.ASGITransport(app=application)
        async with httpx2.AsyncClient(transport=transport, base_url=settings.issuer) as http:
            answer = await http.get("/readyz")
    finally:
        await application.stop()
    assert answer.status_code == (200 if ready else 503)
    if not ready:
        assert answer.json()["missing"] == ["clock: more than 5 s off the database's"]
        assert "postgresql" not in answer.text

"""``/readyz`` means it: each check fails by itself, says its name and nothing else, and /healthz stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from support.serving import serving

from idp.app import Application, make_server
from idp.store import migrate
from idp.store.database import Unavailable
from idp.store.keys import keys

pytestmark = pytest.mark.anyio


async def missing(http: httpx2.AsyncClient) -> list[str]:
    assert (await http.get("/healthz")).status_code == 200
    answer = await http.get("/readyz")
    if answer.status_code == 200:
        assert answer.json() == {"status": "ready"}
        return []
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["status"] == "not ready"
    return list(answer.json()["missing"])


async def schema(application: Application, found: str) -> None:
    change = sa.text("UPDATE alembic_version SET version_num = :found")
    await application.server.database.write(lambda c: c.execute(change, {"found": found}))


async def test_all_is_well(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        assert await missing(http) == []


async def test_the_database_does_not_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as (application, http):
        application.server.database.close()  # type: ignore[attr-defined] - SQLite's, so it is gone
        await application.jobs.stop()
        application.server.database = Gone()  # type: ignore[assignment]
        assert await missing(http) == ["database"]


class Gone:
    """A store whose server is away."""

    async def read(self, *arguments: Any) -> Any:
        raise Unavailable("away")

    write = read

    async def aclose(self) -> None:
        """There is nothing to close."""


async def test_an_older_schema_is_missed_a_newer_one_is_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as (application, http):
        await schema(application, "0001")
        assert await missing(http) == ["schema: idp migrate"]
        await schema(application, "9999")  # an upgrade while this program goes on serving
        assert await missing(http) == []
        await application.server.database.write(lambda c: c.execute(sa.text("DROP TABLE alembic_version")))
        assert await missing(http) == ["schema: idp migrate"]


def test_every_script_before_the_newest_is_known_as_older() -> None:
    scripts = Path(migrate.__file__).parent / "migrations" / "versions"
    revisions = sorted(path.name[:4] for path in scripts.glob("[0-9]*.py"))
    assert [migrate.serves(revision) for revision in revisions] == [False] * (len(revisions) - 1) + [True]


async def test_a_key_that_cannot_sign(tmp_path: Path) -> None:
    async with serving(tmp_path) as (application, http):
        server = application.server
        damage = sa.update(keys).where(keys.c.kid == server.keyring.signing_kid("RS256")).values(sealed=b"")
        await server.database.write(lambda c: c.execute(damage).rowcount)
        # As a process that reads the ring now finds it; this one has opened its keys already.
        fresh = make_server(server.settings, application.features, server.clock)
        await fresh.keyring.start(repair=True)
        server.keyring = fresh.keyring
        assert await missing(http) == ["signing key"]
        await fresh.database.aclose()


async def test_a_registry_that_is_not_read_any_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as (application, http):
        await application.jobs.stop()
        application.server.clock.advance(5)  # type: ignore[attr-defined]
        assert await missing(http) == []
        application.server.clock.advance(0.5)  # type: ignore[attr-defined]
        (found,) = await missing(http)
        assert found.startswith("clients as they are now")
        await application.server.reload_registry()
        assert await missing(http) == []


async def test_a_process_that_is_leaving(tmp_path: Path) -> None:
    async with serving(tmp_path) as (application, http):
        application.server.leaving = True
        (found,) = await missing(http)
        assert found.startswith("a future")
